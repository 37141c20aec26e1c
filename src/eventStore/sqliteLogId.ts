import { closeSqlite, inTransaction, openSqlite, type Sqlite } from '../storage/openSqlite.ts';
import { StoreUnavailable } from '../storage/storeErrors.ts';
import { newLogId } from './newLogId.ts';

/** The log's id, and its former ids, each with the position of the last event at the time of the change. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS log (id TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS former_log_ids (id TEXT NOT NULL, head INTEGER NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL) STRICT;
`;

/** A former id of a log, and why it was replaced. */
export type FormerLogId = { id: string; reason: string };

/** The log's id, which is created if there is none. Call it in a transaction. */
export function getOrCreateLogId(db: Sqlite): string {
  db.exec(SCHEMA);
  const known = db.prepare<[], { id: string }>('SELECT id FROM log').get();
  if (known) return known.id;
  const id = newLogId();
  db.prepare('INSERT INTO log VALUES (?)').run(id);
  return id;
}

/** The former ids of the log in a file, oldest first. */
export function formerLogIds(file: string): FormerLogId[] {
  const db = openSqlite(file, { synchronous: 'FULL', mustExist: true });
  try {
    inTransaction(db, () => getOrCreateLogId(db));
    return db.prepare<[], FormerLogId>('SELECT id, reason FROM former_log_ids ORDER BY rowid').all();
  } finally {
    closeSqlite(db);
  }
}

/**
 * Gives the log in a file a new id, so that its positions differ from all that were given out before, and records the
 * reason. Throws StoreUnavailable, having changed nothing, while another process has the file open: it would keep using
 * the former id.
 */
export function renameLog(file: string, { reason, now }: { reason: string; now: Date }): void {
  const db = openSqlite(file, { synchronous: 'FULL', mustExist: true });
  try {
    db.files.close();
    lockExclusively(db, file);
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

/**
 * SQLite leaves WAL mode only for the sole connection; the exclusive lock then keeps others out until the file is
 * closed.
 */
function lockExclusively(db: Sqlite, file: string): void {
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.pragma('journal_mode = DELETE');
  } catch (error) {
    throw new StoreUnavailable(
      `${file} is open in another process (${(error as Error).message}): stop the service, and all commands on this DATA_DIR, first`,
    );
  }
}
