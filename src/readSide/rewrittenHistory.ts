import type { Position } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { isPositionOf } from '../eventStore/position.ts';
import { LOG_HEAD_FILE } from '../config/dataDirectory.ts';
import type { ReadStore } from '../readStore/readStore.ts';
import type { SecretStore } from '../secretStore/secretStore.ts';
import { isDerived } from './underivedTables.ts';

/** The log lacks events that it once had, so it would give their positions to other events. */
export class RewrittenHistory extends Error {}

/** A position that something else recorded, as evidence of how far the log once was. */
type Witness = { name: string; position: Position };

/**
 * Throws RewrittenHistory if the log is shorter than it once was: behind the checkpoint of a table, or behind
 * `logHead`, the furthest position that was given to anybody. Also if these positions belong to another log.
 */
export async function refuseRewrittenHistory(
  { eventStore, readStore }: { eventStore: EventStore; readStore: ReadStore },
  logHead: Position | undefined,
): Promise<void> {
  const witnesses = await readCheckpoints(readStore);
  if (logHead !== undefined) witnesses.unshift({ name: LOG_HEAD_FILE, position: logHead });
  // Read last, because other processes may be appending.
  const head = await eventStore.head();
  for (const witness of witnesses) {
    if (!isPositionOf(witness.position, eventStore.start))
      throw refusal(`log.sqlite is the log ${eventStore.logId}, and ${describe(witness)}, of another log`);
    if (witness.position > head) throw refusal(`log.sqlite ends at ${head}, and ${describe(witness)}`);
  }
}

/**
 * Throws RewrittenHistory if there is no log although there are read models, secrets or a `logHead`: a new, empty log
 * in its place would be a different one.
 */
export async function refuseMissingLog(
  { readStore, secretStore }: { readStore: ReadStore; secretStore: SecretStore },
  { dataDir, logHead }: { dataDir: string; logHead: Position | undefined },
): Promise<void> {
  const [tables, secrets] = await Promise.all([readStore.tables(), secretStore.list({ limit: 1 })]);
  const left = [
    ...(logHead === undefined ? [] : [LOG_HEAD_FILE]),
    ...(tables.length > 0 ? ['read.sqlite'] : []),
    ...(secrets.length > 0 ? ['secrets.sqlite'] : []),
  ];
  if (left.length === 0) return;
  throw new RewrittenHistory(
    `there is no log.sqlite in ${dataDir}, and ${left.join(' and ')} of a log that was there. Either\n` +
      '- put log.sqlite back with the files that were beside it (log.sqlite-wal), or the newest backup of it without them; or\n' +
      '- set DATA_DIR to the directory that holds it; or\n' +
      '- set DATA_DIR to an empty directory, to begin anew without any client or role',
  );
}

/** The checkpoints of all tables that are derived from the log. */
async function readCheckpoints(readStore: ReadStore): Promise<Witness[]> {
  const tables = (await readStore.tables()).filter(isDerived);
  const found = await Promise.all(
    tables.map(async (table) => {
      const position = await readStore.checkpoint(table);
      return position === undefined ? [] : [{ name: `read.sqlite (table ${table})`, position }];
    }),
  );
  return found.flat();
}

function describe({ name, position }: Witness): string {
  return `${name} is at ${position}`;
}

function refusal(found: string): RewrittenHistory {
  return new RewrittenHistory(
    `${found}. An older backup of log.sqlite was restored, or these files do not belong together. Changes that were answered are ` +
      'not in this log, and their positions would be given again, to other changes. Either\n' +
      '- put back the log.sqlite that has all changes, or a newer backup of it; or\n' +
      '- set DATA_DIR to the directory that holds it; or\n' +
      '- go on with this log, and without the changes that it lacks: `authledger serve --accept-rewritten-history REASON` gives it a new ' +
      'id, so that the former positions are refused, and builds the read models anew',
  );
}
