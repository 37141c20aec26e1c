import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { OutcomeUnknown, StoreUnavailable } from './eventStore/eventStore.ts';
import { type DatabaseFiles, FileGone, type FileWatch, identityOf, watchFiles } from './watchFiles.ts';

/** A database, and the files that it is in. It is closed with `closeSqlite`. */
export type Sqlite = Database.Database & { readonly files: DatabaseFiles };

/** How long (ms) a write waits for another process's. */
const BUSY_TIMEOUT = 5000;

/** Pages of a file that a process keeps in memory, as soon as it has read so many. */
const CACHE_KIB = 16 * 1024;

/**
 * Opens a SQLite file, made for its owner only where there is none. `FULL` makes a commit durable before it returns;
 * with `NORMAL` a power cut may take the last ones back, whole. `secureDelete` overwrites what is deleted. `watch` watches
 * over its files together with others. Throws StoreUnavailable naming the file when it cannot be opened, or is something else
 * than a SQLite file; FileGone where there is none and it `mustExist`.
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
  try {
    if (!mustExist) createFile(file);
    if (existsSync(file)) chmodSync(file, 0o600);
    // Only now: on a file system that is laid over another one, the first change makes another file of it.
    const opened = identityOf(file);
    if (!opened) throw new FileGone(file);
    const db = new Database(file, { timeout: BUSY_TIMEOUT, fileMustExist: true });
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
    if (error instanceof FileGone) throw error;
    throw new StoreUnavailable(`${file} cannot be used: ${(error as Error).message}`);
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

/**
 * Runs a piece of work in one transaction that takes the write lock at once. Throws StoreUnavailable when it cannot, FileGone
 * when the change would be, or is, lost with a file that was removed; OutcomeUnknown when a file was moved away just as the change
 * was committed: it is there again where the file is put back.
 */
export function inTransaction<T>(db: Sqlite, work: () => T): T {
  try {
    const result = db
      .transaction(() => {
        const done = work();
        db.files.check();
        return done;
      })
      .immediate();
    checkCommitted(db);
    return result;
  } catch (error) {
    throw translated(error);
  }
}

function checkCommitted(db: Sqlite): void {
  try {
    db.files.check();
  } catch (error) {
    const place = db.files.place();
    if (place === 'removed') throw error;
    const isItsOwn = error instanceof FileGone && error.file.startsWith(db.name);
    if (place !== 'at its path' || !isItsOwn || !isSaved(db))
      throw new OutcomeUnknown((error as Error).message);
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

/**
 * The same for what is not urgent, and can be made anew: while another process writes, this one goes on with other work and tries
 * again a little later, where `inTransaction` holds it up; and no file is looked at, though none is written to once it is known that one
 * is gone. `db` must have been given to `doNotWait` before.
 */
export async function whenFree<T>(db: Sqlite, work: () => T): Promise<T> {
  const until = performance.now() + BUSY_TIMEOUT;
  for (;;) {
    db.files.refuseIfGone();
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
