import { copyLog } from './copyLog.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import type { Position } from '../event.ts';
import { LAST_USED_TABLE } from '../readSide/lastUsed.ts';
import { PUBLISHER_TABLE } from '../publisher/publish.ts';
import type { ReadStore } from '../readStore/readStore.ts';
import { isServiceSecret } from '../secretStore/newSecret.ts';
import type { SecretStore } from '../secretStore/secretStore.ts';

const PAGE_SIZE = 500;

type Stores = { eventStore: EventStore; readStore: ReadStore; secretStore: SecretStore };

/** Called when the events up to a position of the source have been compared or copied. */
export type Progress = (done: 'compared' | 'copied', position: Position) => void;

/**
 * Copies everything that a service needs to other stores: the log, the tokens (sealed under the target's keyring), the
 * times of last use, and the publisher's checkpoint. The target rebuilds the read models from the log. The copy is
 * idempotent, so an interrupted one can be run again. The tokens are copied last, so that every token that the log
 * refers to is included. Throws CopyDiffers if the target's log has other events, and the secret store's error if it
 * holds another token under the same id.
 */
export async function copyStores(
  { from, to }: { from: Stores; to: Stores },
  onProgress: Progress,
): Promise<{ events: number; secrets: number }> {
  const published = await from.readStore.checkpoint(PUBLISHER_TABLE);
  let publishedInTarget: Position | undefined;
  let events = 0;
  await copyLog(
    { from: from.eventStore, to: to.eventStore },
    {
      onMatch(source, target) {
        if (published !== undefined && source.position <= published) publishedInTarget = target.position;
        events += 1;
        onProgress('compared', source.position);
      },
      onAppended: (last) => onProgress('copied', last.position),
    },
  );
  if (publishedInTarget !== undefined) await to.readStore.commit(PUBLISHER_TABLE, [], publishedInTarget);
  await copyLastUsed(from.readStore, to.readStore);
  return { events, secrets: await copySecrets(from.secretStore, to.secretStore) };
}

async function copySecrets(from: SecretStore, to: SecretStore): Promise<number> {
  let copied = 0;
  for (let after: string | undefined, more = true; more;) {
    const entries = await from.list({ after, limit: PAGE_SIZE });
    for (const ref of entries) {
      const token = await from.get(ref);
      // It was destroyed after the page was read.
      if (token === undefined) continue;
      // A service that was started on the target has created its own, which no event of this log refers to.
      if (isServiceSecret(ref) && (await to.get(ref)) !== token) await to.destroy(ref);
      await to.put(ref, token);
      copied += 1;
    }
    after = entries.at(-1)?.credentialId;
    more = entries.length === PAGE_SIZE;
  }
  return copied;
}

async function copyLastUsed(from: ReadStore, to: ReadStore): Promise<void> {
  let after: string | undefined;
  do {
    const { rows, last } = await from.list<object>(LAST_USED_TABLE, { after, limit: PAGE_SIZE });
    const latest = rows
      .map(({ position }) => position)
      .sort()
      .at(-1);
    if (latest !== undefined) await to.commit(LAST_USED_TABLE, rows, latest);
    after = last;
  } while (after !== undefined);
}
