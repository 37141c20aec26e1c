import { closeSqlite, inTransaction, openSqlite, type Sqlite } from '../storage/openSqlite.ts';
import { StoreUnavailable } from '../storage/storeErrors.ts';
import { newLogId } from './newEvents.ts';

/** The name of the log, and those that it had before, each up to the event that was then its last one. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS log (id TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS former_log_ids (id TEXT NOT NULL, head INTEGER NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL) STRICT;
`;

/** A name that a log had, and why it has another one. */
export type FormerId = { id: string; reason: string };

/** The log's name; it is made where there is none. To be called in a transaction. */
export function logIdIn(db: Sqlite): string {
  db.exec(SCHEMA);
  const known = db.prepare<[], { id: string }>('SELECT id FROM log').get();
  if (known) return known.id;
  const id = newLogId();
  db.prepare('INSERT INTO log VALUES (?)').run(id);
  return id;
}

/** The names that the log in a file had, the last one at the end. */
export function formerIdsIn(file: string): FormerId[] {
  const db = openSqlite(file, { synchronous: 'FULL', mustExist: true });
  try {
    inTransaction(db, () => logIdIn(db));
    return db.prepare<[], FormerId>('SELECT id, reason FROM former_log_ids ORDER BY rowid').all();
  } finally {
    closeSqlite(db);
  }
}

/**
 * Gives the log in a file another name, so that its positions are not those that were given before, and notes why. Throws
 * StoreUnavailable, having changed nothing, while anybody else has it open: they would go on with the former name.
 */
export function renameLog(file: string, { reason, now }: { reason: string; now: Date }): void {
  const db = openSqlite(file, { synchronous: 'FULL', mustExist: true });
  try {
    db.files.close();
    claim(db, file);
    inTransaction(db, () => {
      db.prepare(
        'INSERT INTO former_log_ids SELECT id, (SELECT coalesce(max(position), 0) FROM events), ?, ? FROM log',
      ).run(reason, now.toJSON());
      db.prepare('UPDATE log SET id = ?').run(newLogId());
    });
  } finally {
    closeSqlite(db);
  }
}

/** SQLite does this only for who is alone, and lets nobody else in before the end of what follows. */
function claim(db: Sqlite, file: string): void {
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.pragma('journal_mode = DELETE');
  } catch (error) {
    throw new StoreUnavailable(
      `${file} is open in another process (${(error as Error).message}): stop the service, and all commands on this DATA_DIR, first`,
    );
  }
}
