import { makeYielder } from '../process/timeSlicing.ts';
import type { Projector } from '../readSide/projector.ts';
import { isServiceSecret } from '../secretStore/newSecret.ts';
import type { SecretRef, SecretStore } from '../secretStore/secretStore.ts';

/** The minimum age (ms) of an orphan: the event that refers to a newer secret may still be in flight. */
const GRACE_PERIOD = 60 * 60_000;
/** Secrets that are checked and destroyed in one commit: a few milliseconds of work. */
const PAGE_SIZE = 200;

/**
 * Destroys secrets that no client refers to. A crash leaves one between storing a secret and appending its event, or
 * between an event and destroying the former secret. Stops soon after the signal aborts. Returns how many it destroyed.
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
