import { fstatSync, readdirSync, realpathSync, renameSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { StoreUnavailable } from './storeErrors.ts';

/** How often (ms) files are looked at that nothing is written to. */
const LOOK_EVERY = 1000;
/** What the names of the files end with that SQLite keeps beside a database while it is open. */
const BESIDE = ['-wal', '-shm'];

/** What the name of such a file ends with after it was put aside. */
const ASIDE = '.former';

/**
 * A file of a database was removed or replaced while this process had it open. What is written to the old one is gone with
 * this process, so it takes nothing any more and has to end.
 */
export class FileGone extends StoreUnavailable {
  /** The whole path; the message, which callers see, has the name only. */
  file: string;
  constructor(file: string) {
    const isBeside = BESIDE.some((end) => file.endsWith(end));
    const remedy = isBeside
      ? 'leave this one away (the database has what it held)'
      : 'put this one back, or a backup of it (read.sqlite is made anew without it)';
    super(
      `${basename(file)} was removed or replaced while this service had it open: it takes nothing any more, and ends. Find out what ` +
        `removes files there, ${remedy}, and start it again`,
    );
    this.file = file;
  }
}

/** The files of one database that is open. */
export type DatabaseFiles = {
  /**
   * Throws FileGone when one of them, or another database of the watch, is no longer at its path, and from then on; StoreUnavailable
   * when that cannot be told. It takes some tens of microseconds.
   */
  check(): void;
  /** Throws FileGone when that was noticed before. */
  refuseIfGone(): void;
  /**
   * Where the database itself is now: at its path; moved away, with another file in its place or none (or nobody can tell); or
   * removed, with all that is in it.
   */
  place(): 'at its path' | 'replaced' | 'moved' | 'removed';
  /**
   * Watches them no more, to be called just before the database is closed, which removes those beside it. They are put aside where
   * the database itself was removed or another one took its place: they would be taken for that one's.
   */
  close(): void;
};

/** Watches over the files of databases that belong together: where one is gone, none is to be written to. */
export type FileWatch = {
  /** Watches over a database that was just opened; `opened` is what `identityOf` said of its path before that. */
  add(file: string, opened: Identity): DatabaseFiles;
  /** Resolves once a file is gone. */
  gone: Promise<FileGone>;
};

/** Device and inode number of a file: while it is open, no other file gets the same. */
export type Identity = { dev: bigint; ino: bigint };

/** A file as it was opened, the path that it is to be at, and the name that people know it by. */
type Watched = { name: string; path: string; identity: Identity };
type Database = { itself: Watched; beside: Watched[] };

/** Looks at files when it is asked to, and at all of them once a second. */
export function watchFiles(): FileWatch {
  const databases = new Set<Database>();
  let gone: FileGone | undefined;
  let timer: NodeJS.Timeout | undefined;
  let tell: (gone: FileGone) => void;
  const told = new Promise<FileGone>((resolve) => (tell = resolve));

  function refuseIfGone(): void {
    if (gone) throw gone;
  }

  function checkFile({ name, path, identity }: Watched): void {
    if (isAt(path, identity)) return;
    clearInterval(timer);
    tell((gone = new FileGone(name)));
    throw gone;
  }

  /** The databases come first: with them, those beside them mean nothing any more. */
  function check(beside: Iterable<Watched>): void {
    refuseIfGone();
    for (const { itself } of databases) checkFile(itself);
    for (const file of beside) checkFile(file);
  }

  function checkAll(): void {
    try {
      check([...databases].flatMap(({ beside }) => beside));
    } catch {
      // Whoever waits for `gone` was told, and what cannot be told now is asked again.
    }
  }

  return {
    gone: told,
    add(file, opened) {
      const database: Database = {
        itself: { name: file, path: file, identity: opened },
        beside: besideOf(file),
      };
      databases.add(database);
      timer ??= setInterval(checkAll, LOOK_EVERY).unref();
      function place(): ReturnType<DatabaseFiles['place']> {
        try {
          if (isAt(file, opened)) return 'at its path';
          if (linksTo(opened) === 0n) return 'removed';
          return identityOf(file) ? 'replaced' : 'moved';
        } catch {
          return 'moved';
        }
      }
      return {
        check: () => databases.has(database) && check(database.beside),
        refuseIfGone,
        place,
        close() {
          if (['removed', 'replaced'].includes(place())) database.beside.forEach(putAside);
          databases.delete(database);
          if (databases.size === 0) clearInterval(timer);
        },
      };
    },
  };
}

function putAside({ path, identity }: Watched): void {
  try {
    if (isAt(path, identity)) renameSync(path, path + ASIDE);
  } catch {
    // The process ends as it is; what stays is for the operator to see.
  }
}

/** SQLite keeps them beside the file that a symbolic link leads to. */
function besideOf(file: string): Watched[] {
  const real = realpathSync(file);
  return BESIDE.flatMap((end) => {
    const identity = identityOf(real + end);
    return identity ? [{ name: file + end, path: real + end, identity }] : [];
  });
}

/** What is at a path now; undefined where nothing is. Throws StoreUnavailable when that cannot be told. */
export function identityOf(path: string): Identity | undefined {
  return statAt(path);
}

/** On some network file systems, the path of a file that was removed still leads to it for a while. */
function isAt(path: string, file: Identity): boolean {
  const now = statAt(path);
  return now !== undefined && isSame(now, file) && now.nlink > 0n;
}

function isSame(one: Identity, other: Identity): boolean {
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
 * How many names a file has that this process has open; undefined where nobody can tell. SQLite does not say which of the
 * process's descriptors is its own, and to close another one of the same file would end its locks.
 */
function linksTo(file: Identity): bigint | undefined {
  for (const descriptor of readdirSync('/dev/fd')) {
    const stats = statOf(Number(descriptor));
    if (stats && isSame(stats, file)) return stats.nlink;
  }
  return undefined;
}

/** The descriptor that the folder of descriptors was read with is there no more. */
function statOf(descriptor: number) {
  try {
    return fstatSync(descriptor, { bigint: true });
  } catch {
    return undefined;
  }
}
