import { expireClient } from '../../commands/expireClient.ts';
import { isExpired } from '../domain/client.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import type { HandleCommand } from '../writeSide/handleCommand.ts';
import { makeYielder } from '../process/timeSlicing.ts';
import { systemContext } from '../writeSide/systemContext.ts';
import type { Projector } from '../readSide/projector.ts';
import { clientSubject } from '../writeSide/subjects.ts';

type Parts = { projector: Projector; eventStore: EventStore; handleCommand: HandleCommand };

/** Clients that are removed at the same time: their changes then share commits. */
const BATCH_SIZE = 32;

/**
 * Removes the clients that asked to be deleted on expiration and whose time is over, whether or not the service was
 * running when they expired; no more of them once the signal aborts. Answers how many it removed.
 */
export async function purgeExpired(
  parts: Parts,
  { now = new Date(), signal }: { now?: Date; signal?: AbortSignal } = {},
): Promise<number> {
  const yieldToEventLoop = makeYielder('background');
  let purged = 0;
  let expired: string[] = [];

  async function removeBatch(): Promise<void> {
    const removed = await Promise.all(expired.map((clientId) => remove(clientId, { parts, now })));
    purged += removed.reduce((sum, count) => sum + count, 0);
    expired = [];
    await yieldToEventLoop();
  }

  for await (const { key: clientId, value: client } of parts.projector.clients.all()) {
    if (signal?.aborted) return purged;
    if (!client.deleteOnExpiration || !isExpired(client, now)) continue;
    expired.push(clientId);
    if (expired.length === BATCH_SIZE) await removeBatch();
  }
  await removeBatch();
  return purged;
}

/** Answers how many events that made: none for a client that somebody else changed just now. */
async function remove(clientId: string, { parts, now }: { parts: Parts; now: Date }): Promise<number> {
  const { events } = await parts.handleCommand({
    command: expireClient,
    subject: clientSubject(clientId, parts),
    input: { clientId },
    context: systemContext('purge', now),
  });
  return events.length;
}
