import { makeYielder } from '../process/timeSlicing.ts';
import type { Projector } from '../readSide/projector.ts';
import { isServiceSecret } from '../secretStore/newSecret.ts';
import type { SecretRef, SecretStore } from '../secretStore/secretStore.ts';

/** An entry is left alone this long (ms): the event that names it may be under way. */
const GRACE_PERIOD = 60 * 60_000;
/** Entries that are looked at, and destroyed in one commit, at a time: some milliseconds' work. */
const PAGE_SIZE = 200;

/**
 * Destroys secrets that no client refers to: what a crash left between a secret and its event, or between an event and
 * the end of the former secret; no more of them once the signal aborts. Answers how many it destroyed.
 */
export async function deleteOrphanedSecrets(
  { projector, secretStore }: { projector: Projector; secretStore: SecretStore },
  { now = new Date(), signal }: { now?: Date; signal?: AbortSignal } = {},
): Promise<number> {
  const yieldToEventLoop = makeYielder('background');
  let destroyed = 0;
  let after: string | undefined;
  do {
    const entries = await secretStore.list({ after, limit: PAGE_SIZE });
    after = entries.length < PAGE_SIZE ? undefined : entries.at(-1)!.credentialId;
    await projector.catchUp();
    const unreferenced: SecretRef[] = [];
    for (const { clientId, credentialId, createdAt } of entries) {
      const ref = { clientId, credentialId };
      if (isServiceSecret(ref) || now.getTime() - Date.parse(createdAt) < GRACE_PERIOD) continue;
      const client = await projector.clients.get(clientId);
      if (client?.credential.id !== credentialId) unreferenced.push(ref);
    }
    await Promise.all(unreferenced.map((place) => secretStore.destroy(place)));
    destroyed += unreferenced.length;
    await yieldToEventLoop();
  } while (after !== undefined && !signal?.aborted);
  return destroyed;
}
