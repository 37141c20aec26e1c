import { expireClient } from '../../commands/expireClient.ts';
import { isExpired } from '../domain/client.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import type { HandleCommand } from '../writeSide/handleCommand.ts';
import { makeYielder } from '../process/timeSlicing.ts';
import { systemContext } from '../writeSide/systemContext.ts';
import type { Projector } from '../readSide/projector.ts';
import { clientSubject } from '../writeSide/subjects.ts';

type Parts = { projector: Projector; eventStore: EventStore; handleCommand: HandleCommand };

/** Clients that are removed concurrently, so that their events share commits. */
const BATCH_SIZE = 32;

/**
 * Removes the expired clients with `deleteOnExpiration`, including those that expired while the service was not
 * running. Stops soon after the signal aborts. Returns how many it removed.
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

/** Returns the number of events: 0 if the client was changed in the meantime and is not expired any more. */
async function remove(clientId: string, { parts, now }: { parts: Parts; now: Date }): Promise<number> {
  const { events } = await parts.handleCommand({
    command: expireClient,
    subject: clientSubject(clientId, parts),
    input: { clientId },
    context: systemContext('purge', now),
  });
  return events.length;
}
