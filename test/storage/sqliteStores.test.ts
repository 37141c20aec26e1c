import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { StoreDamaged, StoreUnavailable } from '../../src/storage/storeErrors.ts';
import { sqliteEventStore } from '../../src/eventStore/sqliteEventStore.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { openSqlite, type Sqlite } from '../../src/storage/openSqlite.ts';
import { sqliteReadStore } from '../../src/readStore/sqliteReadStore.ts';
import { keyring } from '../../src/secretStore/keyring.ts';
import { sqliteSecretStore } from '../../src/secretStore/sqliteSecretStore.ts';
import { event, eventStoreContract, metadata, take } from '../contracts/eventStore.ts';
import { readStoreContract } from '../contracts/readStore.ts';
import { newKey, secretStoreContract } from '../contracts/secretStore.ts';
import { damage } from '../damage.ts';

const temporary = (): string => mkdtempSync(join(tmpdir(), 'authledger-sqlite-'));
const openLog = (file: string) =>
  sqliteEventStore({ db: openSqlite(file, { synchronous: 'FULL' }), validate: validateEvent });

eventStoreContract('SQLite', async () => {
  const folder = temporary();
  const [store, other] = [openLog(join(folder, 'log')), openLog(join(folder, 'log'))];
  return {
    store,
    other,
    async remove() {
      await Promise.all([store.close(), other.close()]);
      rmSync(folder, { recursive: true });
    },
  };
});

readStoreContract('SQLite', async () => {
  const folder = temporary();
  const open = () => sqliteReadStore({ db: openSqlite(join(folder, 'read'), { synchronous: 'NORMAL' }) });
  const [store, other] = [open(), open()];
  return {
    store,
    other,
    async remove() {
      await Promise.all([store.close(), other.close()]);
      rmSync(folder, { recursive: true });
    },
  };
});

secretStoreContract('SQLite', async (keys) => {
  const folder = temporary();
  const store = sqliteSecretStore({
    db: openSqlite(join(folder, 'secrets'), { synchronous: 'FULL', secureDelete: true }),
    keyring: keys,
  });
  return {
    store,
    async remove() {
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
});

describe('a SQLite file', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = temporary();
    file = join(folder, 'file');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('refuses itself to change, remove or replace an event, or to leave a gap', async () => {
    const store = openLog(file);
    await store.append(
      [{ stream: 's', expectedRevision: 'none', events: [event('a', 'id-1'), event('b', 'id-2')] }],
      metadata,
    );
    const db = openSqlite(file, { synchronous: 'FULL' });
    const columns = "'s', 0, 'RoleDeleted', '{}', '{}'";
    for (const statement of [
      "UPDATE events SET data = '{}'",
      'DELETE FROM events',
      `INSERT OR REPLACE INTO events VALUES (1, 'id-1', ${columns})`,
      `INSERT OR REPLACE INTO events VALUES (3, 'id-1', 's', 2, 'RoleDeleted', '{}', '{}')`,
      `REPLACE INTO events VALUES (3, 'id-3', ${columns})`,
      `INSERT INTO events VALUES (4, 'id-3', 's', 2, 'RoleDeleted', '{}', '{}')`,
      `INSERT INTO events VALUES (0, 'id-3', 's', 2, 'RoleDeleted', '{}', '{}')`,
    ]) {
      expect(() => db.exec(statement)).toThrow(/events are (never|only)/);
    }
    db.close();
    expect((await store.read('s')).events.map(({ id }) => id)).toEqual(['id-1', 'id-2']);
    await store.close();
  });

  test('keeps its log and the name of it', async () => {
    const first = openLog(file);
    const { position } = await first.append(
      [{ stream: 's', expectedRevision: 'none', events: [event()] }],
      metadata,
    );
    await first.close();
    const second = openLog(file);
    expect(second.logId).toBe(first.logId);
    expect(await second.head()).toBe(position);
    await second.close();
  });

  test('is for its owner only', async () => {
    const store = openLog(file);
    await store.append([{ stream: 's', expectedRevision: 'none', events: [event()] }], metadata);
    for (const name of readdirSync(folder))
      expect({ name, mode: statSync(join(folder, name)).mode & 0o777 }).toEqual({ name, mode: 0o600 });
    await store.close();
  });

  test('that is something else is refused by name', () => {
    writeFileSync(
      file,
      'this is no database, but it is long enough to look like one to somebody who is in a hurry'.repeat(20),
    );
    expect(() => openSqlite(file, { synchronous: 'FULL' })).toThrow(StoreDamaged);
    expect(() => openSqlite(file, { synchronous: 'FULL' })).toThrow(file);
    expect(() => openSqlite(join(folder, 'not/there'), { synchronous: 'FULL' })).toThrow(
      /not\/there cannot be used/,
    );
  });

  test('that can get no larger takes what fits in of a group, and the rest once it can', async () => {
    const db = openSqlite(file, { synchronous: 'FULL' });
    const store = sqliteEventStore({ db, validate: validateEvent });
    const append = (stream: string, roleId: string) =>
      store.append([{ stream, expectedRevision: 'none', events: [event(roleId)] }], metadata);
    const [before] = db.pragma(`max_page_count = ${pagesOf(db)}`) as [{ max_page_count: number }];
    expect(before.max_page_count).toBe(pagesOf(db));
    const outcomes = await Promise.allSettled([append('a', 'large'.repeat(100_000)), append('b', 'small')]);
    expect(outcomes).toMatchObject([
      { status: 'rejected', reason: expect.any(StoreUnavailable) },
      { status: 'fulfilled' },
    ]);
    expect((await take(store)).map(({ stream }) => stream)).toEqual(['b']);
    db.pragma('max_page_count = 1000000');
    await append('a', 'large'.repeat(100_000));
    expect((await take(store)).map(({ stream }) => stream)).toEqual(['b', 'a']);
    await store.close();
  });

  test('that can get no larger takes nothing of a group that SQLite takes back itself, whatever comes after that', async () => {
    const db = openSqlite(file, { synchronous: 'FULL', secureDelete: true });
    const key = newKey('k');
    const store = sqliteSecretStore({ db, keyring: keyring(() => [key]) });
    db.pragma(`max_page_count = ${pagesOf(db)}`);
    const put = (credentialId: string, token: string) => store.put({ clientId: 'a', credentialId }, token);
    const outcomes = await Promise.allSettled([
      put('a', 'small'),
      put('b', 'large'.repeat(9000)),
      put('c', 'small'),
    ]);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) });
    expect(await store.list({ limit: 9 })).toEqual([]);
    await put('c', 'small');
    expect(await store.list({ limit: 9 })).toHaveLength(1);
    await store.close();
  });

  test('that can get no larger has no table that did not fit in, and makes it once it can', async () => {
    const db = openSqlite(file, { synchronous: 'NORMAL' });
    const store = sqliteReadStore({ db });
    db.pragma(`max_page_count = ${pagesOf(db) + 1}`);
    const rows = [{ key: 'a', value: { text: 'x'.repeat(50_000) }, position: '1' }];
    await expect(store.commit('t', rows, '1')).rejects.toThrow(StoreUnavailable);
    db.pragma('max_page_count = 1000000');
    await store.commit('t', rows, '1');
    expect((await store.list('t', { limit: 9 })).rows).toEqual(rows);
    await store.close();
  });

  test('that can get no larger fails a probe, until it can be written to again', async () => {
    const db = openSqlite(file, { synchronous: 'FULL' });
    const store = sqliteEventStore({ db, validate: validateEvent });
    db.pragma(`max_page_count = ${pagesOf(db)}`);
    await expect(store.probe()).rejects.toThrow(StoreUnavailable);
    await expect(store.probe()).rejects.toThrow(/full/);
    db.pragma('max_page_count = 1000000');
    await store.probe();
    const pages = pagesOf(db);
    await store.probe();
    expect(pagesOf(db)).toBe(pages);
    await store.close();
  });

  test('that was damaged says so by name, whatever is asked of it', async () => {
    const many = Array.from({ length: 400 }, (_, i) => String(i).padStart(8, '0'));
    const log = openLog(file);
    const writes = many.map((stream) => ({
      stream,
      expectedRevision: 'none' as const,
      events: [event('x'.repeat(500))],
    }));
    await log.append(writes, metadata);
    await log.close();
    damage(file);
    const damagedLog = openLog(file);
    await expect(readAll(many, (stream) => damagedLog.read(stream))).rejects.toThrow(StoreDamaged);
    await expect(readAll(many, (stream) => damagedLog.readLast(stream))).rejects.toThrow(file);
    const upTo = `${damagedLog.logId}.${'9'.repeat(20)}`;
    const readUpTo = (stream: string) => damagedLog.readUpTo(stream, { upTo, limit: 10 });
    await expect(readAll(many, readUpTo)).rejects.toThrow(StoreDamaged);
    await expect(take(damagedLog)).rejects.toThrow(StoreDamaged);
    await damagedLog.close();

    const readFile = join(folder, 'read');
    const openRead = () => sqliteReadStore({ db: openSqlite(readFile, { synchronous: 'NORMAL' }) });
    const read = openRead();
    const rows = many.map((key) => ({ key, value: { text: 'x'.repeat(500) }, position: key }));
    await read.commit('t', rows, '1');
    await read.close();
    damage(readFile);
    const damagedRead = openRead();
    await expect(readAll(many, (key) => damagedRead.get('t', key))).rejects.toThrow(StoreDamaged);
    await expect(damagedRead.list('t', { limit: 1000 })).rejects.toThrow(readFile);
    await expect(damagedRead.commit('t', rows, '2')).rejects.toThrow(StoreDamaged);
    await damagedRead.close();

    const secretFile = join(folder, 'secrets');
    const key = newKey('k');
    const openSecrets = () => {
      const db = openSqlite(secretFile, { synchronous: 'FULL', secureDelete: true });
      return sqliteSecretStore({ db, keyring: keyring(() => [key]) });
    };
    const secrets = openSecrets();
    const place = (credentialId: string) => ({ clientId: 'a/client', credentialId });
    await Promise.all(many.map((each) => secrets.put(place(each), 'x'.repeat(500))));
    await secrets.close();
    damage(secretFile);
    const damagedSecrets = openSecrets();
    // Of an entry whose bytes alone are others, its seal tells.
    await expect(readAll(many, (each) => damagedSecrets.get(place(each)))).rejects.toThrow(/damaged|changed/);
    await expect(damagedSecrets.list({ limit: 1000 })).rejects.toThrow(secretFile);
    await damagedSecrets.close();
  });

  test('never shows a token, before and after it is destroyed', async () => {
    const db = openSqlite(file, { synchronous: 'FULL', secureDelete: true });
    const store = sqliteSecretStore({ db, keyring: keyring(() => [newKey('k')]) });
    const here = { clientId: 'a/client', credentialId: 'c' };
    const bytes = (): string =>
      readdirSync(folder)
        .map((name) => readFileSync(join(folder, name), 'latin1'))
        .join();
    await store.put(here, 'canary-canary-canary');
    expect(bytes()).not.toContain('canary');
    await store.destroy(here);
    expect(bytes()).not.toContain('canary');
    await store.close();
  });
});

function pagesOf(db: Sqlite): number {
  return db.pragma('page_count', { simple: true }) as number;
}

async function readAll(keys: string[], read: (key: string) => Promise<unknown>): Promise<void> {
  for (const key of keys) await read(key);
}
