import { fstatSync, readdirSync, realpathSync, renameSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { StoreUnavailable } from './storeErrors.ts';

/** How often (ms) files are checked when nothing is written. */
const CHECK_INTERVAL = 1000;
/** Suffixes of the companion files that SQLite keeps beside an open database. */
const COMPANION_SUFFIXES = ['-wal', '-shm'];

/** Suffix of a companion file that was set aside. */
const SET_ASIDE_SUFFIX = '.former';

/**
 * A file of a database was removed or replaced while this process had it open. Writes to the old file would be lost
 * when this process ends, so it writes nothing more and must end.
 */
export class FileGone extends StoreUnavailable {
  /** The whole path. The message, which callers see, has only the file's name. */
  file: string;
  constructor(file: string) {
    const isCompanion = COMPANION_SUFFIXES.some((end) => file.endsWith(end));
    const remedy = isCompanion
      ? 'leave this one away (the database has what it held)'
      : 'put this one back, or a backup of it (read.sqlite is made anew without it)';
    super(
      `${basename(file)} was removed or replaced while this service had it open: it takes nothing any more, and ends. Find out what ` +
        `removes files there, ${remedy}, and start it again`,
    );
    this.file = file;
  }
}

/** The files of one open database: the database file and its companions (-wal and -shm). */
export type DatabaseFiles = {
  /**
   * Throws FileGone if one of these files, or another database file of the watch, is no longer at its path, and always
   * from then on; StoreUnavailable if this cannot be determined. Takes some tens of microseconds.
   */
  check(): void;
  /** Throws FileGone if that was already noticed. */
  refuseIfGone(): void;
  /**
   * Where the database file is now: at its path; replaced by another file; moved (or unknown); or removed, with all
   * that is in it.
   */
  location(): 'at its path' | 'replaced' | 'moved' | 'removed';
  /**
   * Ends the watch over these files. Call it just before the database is closed, which removes the companions. If the
   * database file was removed or replaced, the companions are set aside: SQLite would take them for those of the new
   * file.
   */
  close(): void;
};

/** Watches over the files of databases that belong together: if a file of one is gone, none may be written to. */
export type FileWatch = {
  /** Adds a database that was just opened; `opened` is the `identityOf` its path just before. */
  add(file: string, opened: FileIdentity): DatabaseFiles;
  /** Resolves with the error once a file is gone. */
  gone: Promise<FileGone>;
};

/** Device and inode number of a file. While the file is open, no other file gets the same. */
export type FileIdentity = { dev: bigint; ino: bigint };

/** A file as it was opened, the path where it belongs, and the name that operators know. */
type WatchedFile = { name: string; path: string; identity: FileIdentity };
type Database = { main: WatchedFile; companions: WatchedFile[] };

/** Checks files on demand, and all of them once a second. */
export function watchFiles(): FileWatch {
  const databases = new Set<Database>();
  let gone: FileGone | undefined;
  let timer: NodeJS.Timeout | undefined;
  let resolveGone: (gone: FileGone) => void;
  const whenGone = new Promise<FileGone>((resolve) => (resolveGone = resolve));

  function refuseIfGone(): void {
    if (gone) throw gone;
  }

  function checkFile({ name, path, identity }: WatchedFile): void {
    if (isAt(path, identity)) return;
    clearInterval(timer);
    resolveGone((gone = new FileGone(name)));
    throw gone;
  }

  /** Database files first: if one of them is gone, its companions mean nothing. */
  function check(companions: Iterable<WatchedFile>): void {
    refuseIfGone();
    for (const { main } of databases) checkFile(main);
    for (const file of companions) checkFile(file);
  }

  function checkAll(): void {
    try {
      check([...databases].flatMap(({ companions }) => companions));
    } catch {
      // `gone` has been resolved, or the state could not be determined and is checked again.
    }
  }

  return {
    gone: whenGone,
    add(file, opened) {
      const database: Database = {
        main: { name: file, path: file, identity: opened },
        companions: companionsOf(file),
      };
      databases.add(database);
      timer ??= setInterval(checkAll, CHECK_INTERVAL).unref();
      function location(): ReturnType<DatabaseFiles['location']> {
        try {
          if (isAt(file, opened)) return 'at its path';
          if (linkCount(opened) === 0n) return 'removed';
          return identityOf(file) ? 'replaced' : 'moved';
        } catch {
          return 'moved';
        }
      }
      return {
        check: () => databases.has(database) && check(database.companions),
        refuseIfGone,
        location,
        close() {
          if (['removed', 'replaced'].includes(location())) database.companions.forEach(setAside);
          databases.delete(database);
          if (databases.size === 0) clearInterval(timer);
        },
      };
    },
  };
}

function setAside({ path, identity }: WatchedFile): void {
  try {
    if (isAt(path, identity)) renameSync(path, path + SET_ASIDE_SUFFIX);
  } catch {
    // The process ends anyway; the operator finds the files that are left.
  }
}

/** SQLite keeps companions beside the target of a symbolic link. */
function companionsOf(file: string): WatchedFile[] {
  const real = realpathSync(file);
  return COMPANION_SUFFIXES.flatMap((end) => {
    const identity = identityOf(real + end);
    return identity ? [{ name: file + end, path: real + end, identity }] : [];
  });
}

/**
 * The identity of the file at a path; undefined if there is none. Throws StoreUnavailable if this cannot be determined.
 */
export function identityOf(path: string): FileIdentity | undefined {
  return statAt(path);
}

/** Some network file systems still resolve the path of a removed file for a while, with a link count of 0. */
function isAt(path: string, file: FileIdentity): boolean {
  const now = statAt(path);
  return now !== undefined && isSame(now, file) && now.nlink > 0n;
}

function isSame(one: FileIdentity, other: FileIdentity): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

function statAt(path: string) {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    throw new StoreUnavailable(`${basename(path)} cannot be looked at: ${(error as Error).message}`);
  }
}

/**
 * The link count of a file that this process has open; undefined if it cannot be determined. It looks through all
 * descriptors, because SQLite does not reveal its own, and opening and closing the file again would release SQLite's
 * locks.
 */
function linkCount(file: FileIdentity): bigint | undefined {
  for (const descriptor of readdirSync('/dev/fd')) {
    const stats = statDescriptor(Number(descriptor));
    if (stats && isSame(stats, file)) return stats.nlink;
  }
  return undefined;
}

/** undefined for the descriptor with which the directory was read: it is closed by now. */
function statDescriptor(descriptor: number) {
  try {
    return fstatSync(descriptor, { bigint: true });
  } catch {
    return undefined;
  }
}
