import { expireClient } from '../commands/expireClient.ts';
import { isExpired } from './domain/client.ts';
import type { EventStore } from './eventStore/eventStore.ts';
import type { HandleCommand } from './handleCommand.ts';
import { insideContext } from './insideContext.ts';
import type { Projector } from './project.ts';
import { clientSubject } from './subjects.ts';

/**
 * Removes the clients that asked to be deleted on expiration and whose time is over, whether or not the service was
 * running when they expired. Answers how many there were.
 */
export async function purgeExpired(
  parts: { projector: Projector; eventStore: EventStore; handleCommand: HandleCommand },
  now = new Date(),
): Promise<number> {
  let purged = 0;
  for await (const { key: clientId, value: client } of parts.projector.clients.all()) {
    if (!client.deleteOnExpiration || !isExpired(client, now)) continue;
    const subject = clientSubject(clientId, parts);
    const context = insideContext('purge', now);
    const { events } = await parts.handleCommand({
      command: expireClient,
      subject,
      input: { clientId },
      context,
    });
    purged += events.length;
  }
  return purged;
}
