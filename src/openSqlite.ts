import { chmodSync, closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { StoreDamaged, StoreUnavailable } from './eventStore/eventStore.ts';
import { groupCommit } from './groupCommit.ts';

/** What a probe writes: on a full disk, less may still find room in what a change that failed has left behind. */
const PROBE_BYTES = 64 * 1024;

export type Sqlite = Database.Database;

/** How long (ms) a write waits for another process's. */
const BUSY_TIMEOUT = 5000;

/** Pages of a file that a process keeps in memory, as soon as it has read so many. */
const CACHE_KIB = 16 * 1024;

/**
 * Opens a SQLite file, made for its owner only where there is none. `FULL` makes a commit durable before it returns;
 * with `NORMAL` a power cut may take the last ones back, whole. `secureDelete` overwrites what is deleted.
 * Throws StoreUnavailable naming the file when it cannot be opened, StoreDamaged when it is something else than a SQLite file.
 */
export function openSqlite(
  file: string,
  { synchronous, secureDelete = false }: { synchronous: 'FULL' | 'NORMAL'; secureDelete?: boolean },
): Sqlite {
  let db: Sqlite | undefined;
  try {
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
    db = new Database(file, { timeout: BUSY_TIMEOUT });
    db.pragma('journal_mode = WAL');
    db.pragma(`synchronous = ${synchronous}`);
    db.pragma('trusted_schema = OFF');
    db.pragma(`cache_size = -${CACHE_KIB}`);
    // Without it, REPLACE removes rows behind the back of the triggers that refuse just that.
    db.pragma('recursive_triggers = ON');
    if (secureDelete) db.pragma('secure_delete = ON');
    return db;
  } catch (error) {
    db?.close();
    const { message } = error as Error;
    throw isDamage(error)
      ? new StoreDamaged(file, message)
      : new StoreUnavailable(`${file} cannot be used: ${message}`);
  }
}

/** Asks a database. Throws StoreUnavailable when it cannot be used right now, StoreDamaged when it is not as it was written. */
export function reaching<T>(db: Sqlite, ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    throw translated(error, db);
  }
}

/** The value of a text of JSON that was stored. Throws StoreDamaged where it is none: SQLite does not notice other bytes in a text. */
export function parseStored(db: Sqlite, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new StoreDamaged(db.name, 'a text in it is not the JSON that was stored');
  }
}

/** Runs a piece of work in one transaction that takes the write lock at once; throws as `reaching` does. */
export function inTransaction<T>(db: Sqlite, work: () => T): T {
  return reaching(db, () => db.transaction(work).immediate());
}

/** Lets pieces of work that come at the same time share one transaction, as `groupCommit` says; they throw as `reaching` does. */
export function sharedCommits<Result>(db: Sqlite): ReturnType<typeof groupCommit<Result>> {
  const group = groupCommit<Result>(
    (work) => inTransaction(db, work),
    () => db.inTransaction,
  );
  return { ...group, run: (job) => group.run(() => reaching(db, job)) };
}

/**
 * The same as `inTransaction` for what is not urgent: while another process writes, this one goes on with other work and tries again a little
 * later, where `inTransaction` holds it up. `db` must have been given to `doNotWait` before.
 */
export async function whenFree<T>(db: Sqlite, work: () => T): Promise<T> {
  const until = performance.now() + BUSY_TIMEOUT;
  for (;;) {
    try {
      return db.transaction(work).immediate();
    } catch (error) {
      if (!isBusy(error) || performance.now() > until) throw translated(error, db);
    }
    await sleep(5 + Math.random() * 10);
  }
}

/**
 * Writes to a table that is for nothing else, over what was written there before, to see whether writing works; to be run in
 * a transaction. What it writes is always something else, as SQLite leaves out what is so already.
 */
export function writeProbe(db: Sqlite): void {
  db.exec('CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT');
  const write = db.prepare<[Buffer]>(
    'INSERT INTO probe VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET bytes = excluded.bytes',
  );
  write.run(Buffer.alloc(PROBE_BYTES, new Date().toJSON()));
}

/** Makes writes fail nearly at once while another process writes. */
export function doNotWait(db: Sqlite): void {
  db.pragma('busy_timeout = 15');
}

/** SQLite's code for an error of its own; an empty text for any other. */
function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : '';
}

function isBusy(error: unknown): boolean {
  return codeOf(error).startsWith('SQLITE_BUSY');
}

function isDamage(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(codeOf(error));
}

/** SQLite's own errors as the store being unavailable or damaged; any other as it is. */
function translated(error: unknown, db: Sqlite): unknown {
  const { message } = error as Error;
  if (isDamage(error)) return new StoreDamaged(db.name, message);
  const isTransient = /^SQLITE_(BUSY|LOCKED|IOERR|FULL|CANTOPEN|READONLY)/.test(codeOf(error));
  return isTransient ? new StoreUnavailable(`the database cannot be used right now: ${message}`) : error;
}
