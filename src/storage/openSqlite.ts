import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { OutcomeUnknown, StoreDamaged, StoreFull, StoreUnavailable } from './storeErrors.ts';
import { groupCommit } from './groupCommit.ts';
import { type DatabaseFiles, FileGone, type FileWatch, identityOf, watchFiles } from './watchFiles.ts';

/** What a probe writes: on a full disk, less may still find room in what a change that failed has left behind. */
const PROBE_BYTES = 64 * 1024;

/** A database, and the files that it is in. It is closed with `closeSqlite`. */
export type Sqlite = Database.Database & { readonly files: DatabaseFiles };

/** How long (ms) a write waits for another process's. */
const BUSY_TIMEOUT = 5000;

/** Pages of a file that a process keeps in memory, as soon as it has read so many. */
const CACHE_KIB = 16 * 1024;

/**
 * Opens a SQLite file, made for its owner only where there is none. `FULL` makes a commit durable before it returns;
 * with `NORMAL` a power cut may take the last ones back, whole. `secureDelete` overwrites what is deleted. `watch` watches
 * over its files together with others. Throws StoreUnavailable naming the file when it cannot be opened, StoreDamaged when it is
 * something else than a SQLite file; FileGone where there is none and it `mustExist`.
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
    // Only now: on a file system that is laid over another one, the first change makes another file of it.
    const opened = identityOf(file);
    if (!opened) throw new FileGone(file);
    db = new Database(file, { timeout: BUSY_TIMEOUT, fileMustExist: true });
    db.pragma('journal_mode = WAL');
    db.pragma(`synchronous = ${synchronous}`);
    db.pragma('trusted_schema = OFF');
    db.pragma(`cache_size = -${CACHE_KIB}`);
    // Without it, REPLACE removes rows behind the back of the triggers that refuse just that.
    db.pragma('recursive_triggers = ON');
    if (secureDelete) db.pragma('secure_delete = ON');
    // With the first look into it, the files beside it are there, and stay while it is open.
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

/** Closes a database. */
export function closeSqlite(db: Sqlite): void {
  db.files.close();
  db.close();
}

/** A file that is there is not opened: to close it again would end the locks of this process's connections to it. */
function createFile(file: string): void {
  try {
    closeSync(openSync(file, 'ax', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
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

/**
 * Runs a piece of work in one transaction that takes the write lock at once; throws as `reaching` does, FileGone
 * when the change would be, or is, lost with a file that was removed; OutcomeUnknown when a file was moved away just as the change
 * was committed: it is there again where the file is put back.
 */
export function inTransaction<T>(db: Sqlite, work: () => T): T {
  return reaching(db, () => {
    const result = db
      .transaction(() => {
        const done = work();
        db.files.check();
        return done;
      })
      .immediate();
    checkCommitted(db);
    return result;
  });
}

function checkCommitted(db: Sqlite): void {
  try {
    db.files.check();
  } catch (error) {
    const place = db.files.place();
    if (place === 'removed') throw error;
    const isItsOwn = error instanceof FileGone && error.file.startsWith(db.name);
    if (place !== 'at its path' || !isItsOwn || !isSaved(db))
      throw new OutcomeUnknown((error as Error).message, { cause: error });
  }
}

/** Whether all that was committed is now in the database itself, so that the files beside it are needed no more. */
function isSaved(db: Sqlite): boolean {
  try {
    const [done] = db.pragma('wal_checkpoint(FULL)') as [{ busy: number; log: number; checkpointed: number }];
    return done.busy === 0 && done.log === done.checkpointed;
  } catch {
    return false;
  }
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
 * The same as `inTransaction` for what is not urgent, and can be made anew: while another process writes, this one goes on with other work and
 * tries again a little later, where `inTransaction` holds it up; and no file is looked at, though none is written to once it is known that one
 * is gone. `db` must have been given to `doNotWait` before.
 */
export async function whenFree<T>(db: Sqlite, work: () => T): Promise<T> {
  const until = performance.now() + BUSY_TIMEOUT;
  for (;;) {
    db.files.refuseIfGone();
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

/** Where it is not the disk that is full but a user's quota or a limit of the process, SQLite knows only that it could not write. */
function isFull(error: unknown): boolean {
  return /^SQLITE_(FULL|IOERR_(WRITE|SHMSIZE))/.test(codeOf(error));
}

/** SQLite's own errors as the store being unavailable or damaged; any other as it is. */
function translated(error: unknown, db: Sqlite): unknown {
  const { message } = error as Error;
  if (isDamage(error)) return new StoreDamaged(db.name, message);
  if (isFull(error)) return new StoreFull(`the database cannot be used right now: ${message}`);
  const isTransient = /^SQLITE_(BUSY|LOCKED|IOERR|CANTOPEN|READONLY)/.test(codeOf(error));
  return isTransient ? new StoreUnavailable(`the database cannot be used right now: ${message}`) : error;
}
