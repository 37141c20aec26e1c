import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, linkSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type EventStore } from '../../src/eventStore/eventStore.ts';
import { OutcomeUnknown } from '../../src/storage/storeErrors.ts';
import { sqliteEventStore } from '../../src/eventStore/sqliteEventStore.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import {
  closeSqlite,
  inTransaction,
  openSqlite,
  inTransactionWhenUnlocked,
} from '../../src/storage/openSqlite.ts';
import { FileGone, type FileWatch, watchFiles } from '../../src/storage/watchFiles.ts';
import { event, metadata } from '../contracts/eventStore.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'authledger-watch-'));
  file = join(folder, 'log.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (watch?: FileWatch) =>
  sqliteEventStore({ db: openSqlite(file, { synchronous: 'FULL', watch }), validate: validateEvent });
const append = (store: EventStore, id: string) =>
  store.append(
    [{ stream: `client-${id}`, expectedRevision: 'none', events: [event('a role', id)] }],
    metadata,
  );
/** What whoever opens the log next finds in it. */
async function idsIn(): Promise<string[]> {
  const db = openSqlite(file, { synchronous: 'FULL' });
  const ids = db.prepare<[], string>('SELECT id FROM events ORDER BY position').pluck().all();
  closeSqlite(db);
  return ids;
}

/** Ways in which files go, and whether everything is there again once those that were moved are put back. */
const WAYS: [string, { go(): void; back(): void }][] = [
  ...['', '-wal', '-shm'].map((end): [string, { go(): void; back(): void }] => [
    `log.sqlite${end} is moved away`,
    {
      go: () => renameSync(file + end, join(folder, 'away')),
      back: () => renameSync(join(folder, 'away'), file + end),
    },
  ]),
  [
    'log.sqlite is replaced by a copy',
    {
      go() {
        linkSync(file, join(folder, 'former'));
        copyFileSync(file, join(folder, 'copy'));
        renameSync(join(folder, 'copy'), file);
      },
      back: () => renameSync(join(folder, 'former'), file),
    },
  ],
  [
    'the folder is moved away',
    {
      go: () => renameSync(folder, `${folder}-away`),
      back: () => renameSync(`${folder}-away`, folder),
    },
  ],
];

describe('a change is refused, and nothing is changed', () => {
  test.each(WAYS)('after %s', async (_, { go, back }) => {
    const watch = watchFiles();
    const store = open(watch);
    await append(store, 'before');
    go();
    await expect(append(store, 'after')).rejects.toThrow(FileGone);
    await expect(append(store, 'later')).rejects.toThrow(FileGone);
    await expect(store.head()).rejects.toThrow(/^log\.sqlite\S* was removed or replaced/);
    expect((await watch.gone).file.startsWith(file)).toBe(true);
    // What was written before is in files that are put back, whether the store was closed or not.
    back();
    await store.close();
    expect(await idsIn()).toEqual(['before']);
  });

  test.each(['-wal', '-shm'])(
    'after log.sqlite%s is removed; what was written before is saved',
    async (end) => {
      const store = open();
      await append(store, 'before');
      rmSync(file + end);
      await expect(append(store, 'after')).rejects.toThrow(FileGone);
      await store.close();
      expect(await idsIn()).toEqual(['before']);
    },
  );

  test('after a file of another database of the watch is removed', async () => {
    const watch = watchFiles();
    const other = openSqlite(join(folder, 'secrets.sqlite'), { synchronous: 'FULL', watch });
    const store = open(watch);
    rmSync(join(folder, 'secrets.sqlite'));
    await expect(append(store, 'after')).rejects.toThrow(/^secrets\.sqlite was removed/);
    closeSqlite(other);
    await store.close();
    expect(await idsIn()).toEqual([]);
  });

  test('also of what can be rebuilt, once it is noticed', async () => {
    const watch = watchFiles();
    const db = openSqlite(file, { synchronous: 'NORMAL', watch });
    db.exec('CREATE TABLE t (a)');
    rmSync(file);
    await watch.gone;
    await expect(inTransactionWhenUnlocked(db, () => db.exec('INSERT INTO t VALUES (1)'))).rejects.toThrow(
      FileGone,
    );
    expect(db.prepare('SELECT * FROM t').all()).toEqual([]);
    closeSqlite(db);
  });
});

describe('a change that is committed just as', () => {
  /** Appends an event while something happens after the last look at the files before the commit. */
  async function appendWhile(happens: () => void): Promise<void> {
    const watch = watchFiles();
    let happensAt = Infinity;
    let looks = 0;
    const store = open({
      ...watch,
      add(...database) {
        const files = watch.add(...database);
        return {
          ...files,
          check() {
            files.check();
            if ((looks += 1) === happensAt) happens();
          },
        };
      },
    });
    happensAt = looks + 1;
    try {
      await append(store, 'just');
    } finally {
      await store.close();
    }
  }

  test('its database is removed is refused: it is gone', async () => {
    await expect(appendWhile(() => rmSync(file))).rejects.toThrow(FileGone);
  });

  test('its database is moved away is in doubt: it is there when that is put back', async () => {
    const away = join(folder, 'away');
    await expect(appendWhile(() => renameSync(file, away))).rejects.toThrow(OutcomeUnknown);
    renameSync(away, file);
    expect(await idsIn()).toEqual(['just']);
  });

  test.each(['-wal', '-shm'])('the file with %s is removed is saved, and answered', async (end) => {
    await appendWhile(() => rmSync(file + end));
    expect(await idsIn()).toEqual(['just']);
  });
});

describe('what SQLite keeps beside a database', () => {
  const copy = (): string => join(folder, 'copy');

  /** An older copy of a log, and changes that are in the files beside it only. */
  async function openWithChanges(): Promise<EventStore> {
    const store = open();
    await append(store, 'in the copy');
    const db = openSqlite(file, { synchronous: 'FULL' });
    db.pragma('wal_checkpoint(TRUNCATE)');
    copyFileSync(file, copy());
    closeSqlite(db);
    for (let i = 0; i < 50; i += 1) await append(store, `later-${i}`);
    return store;
  }

  test('is put aside where another file took its place: that one is read as it is', async () => {
    const store = await openWithChanges();
    renameSync(copy(), file);
    await store.close();
    expect(existsSync(`${file}-wal`)).toBe(false);
    expect(existsSync(`${file}-wal.former`)).toBe(true);
    expect(await idsIn()).toEqual(['in the copy']);
  });

  test('is put aside where it was removed: a copy that is put there later is read as it is', async () => {
    const store = await openWithChanges();
    rmSync(file);
    await store.close();
    renameSync(copy(), file);
    expect(await idsIn()).toEqual(['in the copy']);
  });

  test('stays where it was moved away, and may come back', async () => {
    const store = await openWithChanges();
    renameSync(file, join(folder, 'away'));
    await store.close();
    renameSync(join(folder, 'away'), file);
    expect(await idsIn()).toHaveLength(51);
  });
});

describe('nothing is taken for gone', () => {
  test('while others open and close the database, write to it, and make it compact', async () => {
    const watch = watchFiles();
    const store = open(watch);
    await append(store, 'one');
    for (let i = 0; i < 3; i += 1) {
      const script = `
        const db = new (require('better-sqlite3'))(${JSON.stringify(file)});
        db.exec('CREATE TABLE t${i} (a); INSERT INTO t${i} VALUES (1)');
        db.pragma('wal_checkpoint(TRUNCATE)');
        db.exec('VACUUM');
        db.exec("VACUUM INTO '${join(folder, `copy-${i}`)}'");
        db.close();`;
      execFileSync(process.execPath, ['-e', script], { cwd: new URL('../..', import.meta.url).pathname });
      await append(store, `other-${i}`);
    }
    linkSync(file, join(folder, 'second-name'));
    await append(store, 'last');
    await store.close();
    expect(await idsIn()).toHaveLength(5);
  });

  test('where the file is reached through a symbolic link', async () => {
    const real = join(folder, 'real');
    closeSqlite(openSqlite(real, { synchronous: 'FULL' }));
    symlinkSync(real, file);
    const store = open();
    await append(store, 'one');
    rmSync(`${real}-wal`);
    await expect(append(store, 'two')).rejects.toThrow(/^log\.sqlite-wal was removed/);
    await store.close();
  });

  test('once the database is closed', async () => {
    const watch = watchFiles();
    const store = open(watch);
    await store.close();
    rmSync(file);
    const another = openSqlite(join(folder, 'another'), { synchronous: 'FULL', watch });
    inTransaction(another, () => another.exec('CREATE TABLE t (a)'));
    closeSqlite(another);
  });
});

test('a file that goes while nothing is written is noticed', async () => {
  const watch = watchFiles();
  const store = open(watch);
  rmSync(file);
  const { file: gone } = await watch.gone;
  expect(gone).toBe(file);
  await store.close();
});
