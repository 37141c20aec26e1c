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

/** What is done up to a position of the source: events were found the same in both logs, or copied. */
export type Progress = (done: 'compared' | 'copied', position: Position) => void;

/**
 * Takes everything that a service needs over to other stores: the log, the tokens (sealed under the target's keyring), when
 * clients were last used, and how far the publisher has come. The read models are built there from the log. What is there
 * already stays, so a copy that was cut off can be started again. The tokens come last: whatever the log names is among
 * them, then. Throws CopyDiffers when the target's log has other events, and what the secret store throws for a place that
 * is taken.
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
      // One that was destroyed since the page was read is wanted no more.
      if (token === undefined) continue;
      // A service that was started on the target made one of its own, which no event of this log refers to.
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
