import { chmodSync, closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { StoreUnavailable } from './eventStore/eventStore.ts';

export type Sqlite = Database.Database;

/** How long (ms) a write waits for another process's. */
const BUSY_TIMEOUT = 5000;

/** Pages of a file that a process keeps in memory, as soon as it has read so many. */
const CACHE_KIB = 16 * 1024;

/**
 * Opens a SQLite file, made for its owner only where there is none. `FULL` makes a commit durable before it returns;
 * with `NORMAL` a power cut may take the last ones back, whole. `secureDelete` overwrites what is deleted.
 * Throws StoreUnavailable naming the file when it cannot be opened, or is something else than a SQLite file.
 */
export function openSqlite(
  file: string,
  { synchronous, secureDelete = false }: { synchronous: 'FULL' | 'NORMAL'; secureDelete?: boolean },
): Sqlite {
  try {
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
    const db = new Database(file, { timeout: BUSY_TIMEOUT });
    db.pragma('journal_mode = WAL');
    db.pragma(`synchronous = ${synchronous}`);
    db.pragma('trusted_schema = OFF');
    db.pragma(`cache_size = -${CACHE_KIB}`);
    // Without it, REPLACE removes rows behind the back of the triggers that refuse just that.
    db.pragma('recursive_triggers = ON');
    if (secureDelete) db.pragma('secure_delete = ON');
    return db;
  } catch (error) {
    throw new StoreUnavailable(`${file} cannot be used: ${(error as Error).message}`);
  }
}

/** Runs a piece of work in one transaction that takes the write lock at once; throws StoreUnavailable when it cannot. */
export function inTransaction<T>(db: Sqlite, work: () => T): T {
  try {
    return db.transaction(work).immediate();
  } catch (error) {
    throw translated(error);
  }
}

/**
 * The same for what is not urgent: while another process writes, this one goes on with other work and tries again a little
 * later, where `inTransaction` holds it up. `db` must have been given to `doNotWait` before.
 */
export async function whenFree<T>(db: Sqlite, work: () => T): Promise<T> {
  const until = performance.now() + BUSY_TIMEOUT;
  for (;;) {
    try {
      return db.transaction(work).immediate();
    } catch (error) {
      if (!isBusy(error) || performance.now() > until) throw translated(error);
    }
    await sleep(5 + Math.random() * 10);
  }
}

/** Makes writes fail nearly at once while another process writes. */
export function doNotWait(db: Sqlite): void {
  db.pragma('busy_timeout = 15');
}

function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

/** SQLite's own errors as the store being unavailable; any other as it is. */
function translated(error: unknown): unknown {
  if (!(error instanceof Database.SqliteError)) return error;
  const isTransient = /^SQLITE_(BUSY|LOCKED|IOERR|FULL|CANTOPEN|READONLY)/.test(error.code);
  return isTransient ? new StoreUnavailable(`the database cannot be written to: ${error.message}`) : error;
}
