import { join } from 'node:path';
import type { Logger } from 'pino';
import { LOG_FILE, openFiles } from '../compose.ts';
import type { Config } from '../config/config.ts';
import { invalid } from '../config/configError.ts';
import type { Position } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { approximateProgress, isPositionOf, positionOf } from '../eventStore/position.ts';
import { formerLogIds, renameLog } from '../eventStore/sqliteLogId.ts';
import { LAST_USED_TABLE } from '../readSide/lastUsed.ts';
import { LOG_HEAD_FILE, readLogHead, writeLogHead } from '../readSide/logHead.ts';
import { allProjections } from '../readSide/projector.ts';
import { tableOf } from '../projection.ts';
import { PUBLISHER_TABLE } from '../publisher/publish.ts';
import type { ReadStore } from '../readStore/readStore.ts';
import { refuseRewrittenHistory, RewrittenHistory } from '../readSide/rewrittenHistory.ts';

type Files = Awaited<ReturnType<typeof openFiles>>;

/**
 * Goes on with a log that lacks what it once had, at the word of the operator: it gets a new id, so that its former positions are
 * another log's, the read models are removed, to be built anew at the next start, and the publisher goes on at the same event, or at
 * the end. When clients were last used stays known. The reason is logged, and kept in the log's file; where nothing was lost since
 * the same reason was given, nothing is done. Throws StoreUnavailable while another process has the log open, ConfigError for a shared log.
 */
export async function acceptRewrittenHistory(
  config: Config,
  { reason, log }: { reason: string; log: Logger },
): Promise<void> {
  if (config.eventStoreUrl !== undefined)
    invalid(
      '--accept-rewritten-history is for a log in a file: EVENT_STORE_URL is set, and what a shared log holds is for its server to say',
    );
  const file = join(config.dataDir, LOG_FILE);
  const headFile = join(config.dataDir, LOG_HEAD_FILE);
  const logHead = readLogHead(headFile);
  const isRewritten = await inFiles(config, logHead, (files) => isRefused(files, logHead));
  if (!isRewritten && formerLogIds(file).at(-1)?.reason === reason) {
    log.info({ reason }, 'the history was accepted for this reason before, and nothing was lost since');
    return;
  }
  renameLog(file, { reason, now: new Date() });
  const formerIds = formerLogIds(file).map(({ id }) => id);
  await inFiles(config, logHead, async ({ eventStore, readStore }) => {
    const head = await eventStore.head();
    const publisher = publisherPlace(await readStore.checkpoint(PUBLISHER_TABLE), {
      eventStore,
      head,
      formerIds,
    });
    await dropReadModels(readStore);
    if (publisher.after !== undefined) await readStore.commit(PUBLISHER_TABLE, [], publisher.after);
    // At the end: as long as it is not done, the start is refused.
    writeLogHead(headFile, head);
    log.warn(
      { reason, formerLogId: formerIds.at(-1), head, publisherAfter: publisher.after ?? eventStore.start },
      `the log goes on without what it lacks, under the new id ${eventStore.logId}: positions of the former id are refused, and the ` +
        `read models are built anew; ${publisher.words}`,
    );
  });
}

async function inFiles<T>(
  config: Config,
  logHead: Position | undefined,
  work: (files: Files) => Promise<T>,
): Promise<T> {
  const files = await openFiles(config, { logHead });
  try {
    return await work(files);
  } finally {
    await files.close();
  }
}

function isRefused(files: Files, logHead: Position | undefined): Promise<boolean> {
  return refuseRewrittenHistory(files, logHead).then(
    () => false,
    (error: unknown) => {
      if (error instanceof RewrittenHistory) return true;
      throw error;
    },
  );
}

/** Where the publisher goes on that had come to a position, and what that means for those who follow it. */
function publisherPlace(
  published: Position | undefined,
  { eventStore, head, formerIds }: { eventStore: EventStore; head: Position; formerIds: string[] },
): { after: Position | undefined; words: string } {
  if (published === undefined)
    return { after: undefined, words: 'nothing was published yet: a publisher begins at the first event' };
  const isOfThisLog = formerIds.some((id) => isPositionOf(published, positionOf(id, 0)));
  if (!isOfThisLog)
    return {
      after: undefined,
      words: `the publisher had come to ${published}, of another log: it begins at the first event, and repeats what was published`,
    };
  const [count, all] = [approximateProgress(published), approximateProgress(head)];
  if (count <= all)
    return {
      after: positionOf(eventStore.logId, count),
      words: `the publisher goes on after event ${count}, where it was: it leaves out and repeats nothing`,
    };
  return {
    after: head,
    words:
      `the publisher goes on after event ${all}, the last one: those who follow it got ${count - all} events more, ` +
      'which this log lacks',
  };
}

/** Everything but when clients were last used. What was begun and not finished is no table yet, and is removed as well. */
async function dropReadModels(readStore: ReadStore): Promise<void> {
  const tables = new Set([...(await readStore.tables()), ...allProjections.map(tableOf)]);
  tables.delete(LAST_USED_TABLE);
  for (const table of tables) await readStore.dropTable(table);
}
