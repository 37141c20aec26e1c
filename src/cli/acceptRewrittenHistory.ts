import { join } from 'node:path';
import type { Logger } from 'pino';
import { openFiles } from '../compose.ts';
import { LOG_FILE, LOG_HEAD_FILE } from '../config/dataDirectory.ts';
import type { Config } from '../config/config.ts';
import { invalid } from '../config/configError.ts';
import type { Position } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { approximateProgress, isPositionOf, positionOf } from '../eventStore/position.ts';
import { formerLogIds, renameLog } from '../eventStore/sqliteLogId.ts';
import { isDerived } from '../readSide/underivedTables.ts';
import { readLogHead, writeLogHead } from '../readSide/logHead.ts';
import { allProjections } from '../readSide/projector.ts';
import { tableOf } from '../projection.ts';
import { PUBLISHER_TABLE } from '../publisher/publish.ts';
import type { ReadStore } from '../readStore/readStore.ts';
import { refuseRewrittenHistory, RewrittenHistory } from '../readSide/rewrittenHistory.ts';

type Files = Awaited<ReturnType<typeof openFiles>>;

/**
 * Accepts a log that lacks events it once had, on the operator's request. The log gets a new id, so that positions from
 * before are refused. The read models are dropped and rebuilt at the next start, except the times of last use. The
 * publisher continues after the same event, or at the end of the log. The reason is logged and stored in the log's
 * file. Does nothing if nothing was lost since the same reason was given. Throws StoreUnavailable while another process
 * has the log open, ConfigError for a shared log.
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
  const isRewritten = await withFiles(config, logHead, (files) => isRefused(files, logHead));
  if (!isRewritten && formerLogIds(file).at(-1)?.reason === reason) {
    log.info({ reason }, 'the history was accepted for this reason before, and nothing was lost since');
    return;
  }
  renameLog(file, { reason, now: new Date() });
  const formerIds = formerLogIds(file).map(({ id }) => id);
  await withFiles(config, logHead, async ({ eventStore, readStore }) => {
    const head = await eventStore.head();
    const publisher = publisherPosition(await readStore.checkpoint(PUBLISHER_TABLE), {
      eventStore,
      head,
      formerIds,
    });
    await dropReadModels(readStore);
    if (publisher.after !== undefined) await readStore.commit(PUBLISHER_TABLE, [], publisher.after);
    // Last, so that a start is refused until everything before is done.
    writeLogHead(headFile, head);
    log.warn(
      { reason, formerLogId: formerIds.at(-1), head, publisherAfter: publisher.after ?? eventStore.start },
      `the log goes on without what it lacks, under the new id ${eventStore.logId}: positions of the former id are refused, and the ` +
        `read models are built anew; ${publisher.consequence}`,
    );
  });
}

async function withFiles<T>(
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

/** The publisher's new checkpoint, and what it means for subscribers. */
function publisherPosition(
  published: Position | undefined,
  { eventStore, head, formerIds }: { eventStore: EventStore; head: Position; formerIds: string[] },
): { after: Position | undefined; consequence: string } {
  if (published === undefined)
    return {
      after: undefined,
      consequence: 'nothing was published yet: a publisher begins at the first event',
    };
  const isOfThisLog = formerIds.some((id) => isPositionOf(published, positionOf(id, 0)));
  if (!isOfThisLog)
    return {
      after: undefined,
      consequence: `the publisher had come to ${published}, of another log: it begins at the first event, and repeats what was published`,
    };
  const [count, total] = [approximateProgress(published), approximateProgress(head)];
  if (count <= total)
    return {
      after: positionOf(eventStore.logId, count),
      consequence: `the publisher goes on after event ${count}, where it was: it leaves out and repeats nothing`,
    };
  return {
    after: head,
    consequence:
      `the publisher goes on after event ${total}, the last one: those who follow it got ${count - total} events more, ` +
      'which this log lacks',
  };
}

/** Drops all tables that are made from the log, also those of unfinished rebuilds, which `tables()` does not list. */
async function dropReadModels(readStore: ReadStore): Promise<void> {
  const tables = new Set([...(await readStore.tables()), ...allProjections.map(tableOf)]);
  for (const table of [...tables].filter(isDerived)) await readStore.dropTable(table);
}
