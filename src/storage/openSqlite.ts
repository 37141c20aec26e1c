import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { OutcomeUnknown, StoreDamaged, StoreFull, StoreUnavailable } from './storeErrors.ts';
import { groupCommit } from './groupCommit.ts';
import { type DatabaseFiles, FileGone, type FileWatch, identityOf, watchFiles } from './watchFiles.ts';

/** Size of a probe. On a full disk, a smaller one could still fit into space that a failed change left behind. */
const PROBE_BYTES = 64 * 1024;

/** An open database and the watch over its files. Close it with `closeSqlite`. */
export type Sqlite = Database.Database & { readonly files: DatabaseFiles };

/** How long (ms) a write waits for another process's write. */
const BUSY_TIMEOUT = 5000;

/** Size of a connection's page cache, once it has read that much. */
const CACHE_KIB = 16 * 1024;

/**
 * Opens a SQLite file, which is created (readable by its owner only) if there is none. With `FULL` a commit is durable
 * when it returns; with `NORMAL` a power failure may roll back the last commits, each as a whole. `secureDelete`
 * overwrites deleted content. `watch` watches over its files together with others. Throws StoreUnavailable naming the
 * file if it cannot be opened, StoreDamaged if it is not a SQLite file, FileGone if it `mustExist` and does not.
 */
export function openSqlite(
  file: string,
  {
    synchronous,
    secureDelete = false,
    mustExist = false,
    watch = watchFiles(),
  }: { synchronous: 'FULL' | 'NORMAL'; secureDelete?: boolean; mustExist?: boolean; watch?: FileWatch },
): Sqlite {
  let db: Database.Database | undefined;
  try {
    if (!mustExist) createFile(file);
    if (existsSync(file)) chmodSync(file, 0o600);
    // Only after chmod: on an overlay file system, the first change replaces the file by a copy with another inode.
    const opened = identityOf(file);
    if (!opened) throw new FileGone(file);
    db = new Database(file, { timeout: BUSY_TIMEOUT, fileMustExist: true });
    db.pragma('journal_mode = WAL');
    db.pragma(`synchronous = ${synchronous}`);
    db.pragma('trusted_schema = OFF');
    db.pragma(`cache_size = -${CACHE_KIB}`);
    // Without it, REPLACE deletes rows without firing the triggers that forbid deletes.
    db.pragma('recursive_triggers = ON');
    if (secureDelete) db.pragma('secure_delete = ON');
    // The first read creates the -wal and -shm files, which stay while the database is open.
    db.pragma('schema_version');
    const files = watch.add(file, opened);
    files.check();
    return Object.assign(db, { files });
  } catch (error) {
    db?.close();
    if (error instanceof FileGone) throw error;
    const { message } = error as Error;
    throw isDamage(error)
      ? new StoreDamaged(file, message)
      : new StoreUnavailable(`${file} cannot be used: ${message}`);
  }
}

/** Closes a database and ends the watch over its files. */
export function closeSqlite(db: Sqlite): void {
  db.files.close();
  db.close();
}

/**
 * Creates a file. An existing one is not opened: closing it would release this process's own locks on it (POSIX locks).
 */
function createFile(file: string): void {
  try {
    closeSync(openSync(file, 'ax', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/**
 * Runs a query. Throws StoreUnavailable if the database cannot be used right now, StoreDamaged if its content is
 * damaged.
 */
export function translatingErrors<T>(db: Sqlite, ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    throw translateError(error, db);
  }
}

/** Parses stored JSON. Throws StoreDamaged if it is malformed: SQLite does not detect changed bytes inside a text. */
export function parseStored(db: Sqlite, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new StoreDamaged(db.name, 'a text in it is not the JSON that was stored');
  }
}

/**
 * Runs work in one transaction that takes the write lock at its start. Throws as `translatingErrors` does; FileGone if
 * the change would be, or is, lost with a file that was removed; OutcomeUnknown if a file was moved away during the
 * commit: the change is there again if the file is put back.
 */
export function inTransaction<T>(db: Sqlite, work: () => T): T {
  return translatingErrors(db, () => {
    const result = db
      .transaction(() => {
        const value = work();
        db.files.check();
        return value;
      })
      .immediate();
    checkFilesAfterCommit(db);
    return result;
  });
}

function checkFilesAfterCommit(db: Sqlite): void {
  try {
    db.files.check();
  } catch (error) {
    const location = db.files.location();
    if (location === 'removed') throw error;
    const isItsOwn = error instanceof FileGone && error.file.startsWith(db.name);
    if (location !== 'at its path' || !isItsOwn || !isFullyCheckpointed(db))
      throw new OutcomeUnknown((error as Error).message, { cause: error });
  }
}

/**
 * Checkpoints the WAL; whether everything committed is now in the database file itself, which then needs no companion.
 */
function isFullyCheckpointed(db: Sqlite): boolean {
  try {
    const [result] = db.pragma('wal_checkpoint(FULL)') as [
      { busy: number; log: number; checkpointed: number },
    ];
    return result.busy === 0 && result.log === result.checkpointed;
  } catch {
    return false;
  }
}

/** Group commit on a database: see `groupCommit`. Jobs throw as `inTransaction` does. */
export function sqliteGroupCommit<Result>(db: Sqlite): ReturnType<typeof groupCommit<Result>> {
  const group = groupCommit<Result>(
    (work) => inTransaction(db, work),
    () => db.inTransaction,
  );
  return { ...group, run: (job) => group.run(() => translatingErrors(db, job)) };
}

/**
 * Like `inTransaction`, for writes that are neither urgent nor irreplaceable. While another process writes, this waits
 * without blocking the event loop and retries for up to 5 s. It does not check the database's files, but writes nothing
 * once they are known to be gone. Call `disableBusyWait` on the database first.
 */
export async function inTransactionWhenUnlocked<T>(db: Sqlite, work: () => T): Promise<T> {
  const deadline = performance.now() + BUSY_TIMEOUT;
  for (;;) {
    db.files.refuseIfGone();
    try {
      return db.transaction(work).immediate();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw translateError(error, db);
    }
    await sleep(5 + Math.random() * 10);
  }
}

/**
 * Checks that writing works: overwrites one row in a table of its own. Run it in a transaction. The content differs
 * each time, because SQLite skips writes that change nothing.
 */
export function writeProbe(db: Sqlite): void {
  db.exec('CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT');
  const write = db.prepare<[Buffer]>(
    'INSERT INTO probe VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET bytes = excluded.bytes',
  );
  write.run(Buffer.alloc(PROBE_BYTES, new Date().toJSON()));
}

/** Makes writes fail almost at once (15 ms) while another process writes. */
export function disableBusyWait(db: Sqlite): void {
  db.pragma('busy_timeout = 15');
}

/** SQLite's error code; an empty string for any other error. */
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

/** A user's quota or a process's limit counts as a full disk, but shows in SQLite only as a failed write. */
function isDiskFull(error: unknown): boolean {
  return /^SQLITE_(FULL|IOERR_(WRITE|SHMSIZE))/.test(codeOf(error));
}

/** Translates SQLite's own errors into those of a store; returns any other error unchanged. */
function translateError(error: unknown, db: Sqlite): unknown {
  const { message } = error as Error;
  if (isDamage(error)) return new StoreDamaged(db.name, message);
  if (isDiskFull(error)) return new StoreFull(`the database cannot be used right now: ${message}`);
  const isTransient = /^SQLITE_(BUSY|LOCKED|IOERR|CANTOPEN|READONLY)/.test(codeOf(error));
  return isTransient ? new StoreUnavailable(`the database cannot be used right now: ${message}`) : error;
}
