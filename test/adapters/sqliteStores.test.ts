import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { StoreUnavailable } from '../../src/eventStore/eventStore.ts';
import { sqliteEventStore } from '../../src/eventStore/sqliteEventStore.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { openSqlite } from '../../src/openSqlite.ts';
import { sqliteReadStore } from '../../src/readStore/sqliteReadStore.ts';
import { keyring } from '../../src/secretStore/keyring.ts';
import { sqliteSecretStore } from '../../src/secretStore/sqliteSecretStore.ts';
import { event, eventStoreContract, metadata } from '../contracts/eventStore.ts';
import { readStoreContract } from '../contracts/readStore.ts';
import { newKey, secretStoreContract } from '../contracts/secretStore.ts';

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
    expect(() => openSqlite(file, { synchronous: 'FULL' })).toThrow(StoreUnavailable);
    expect(() => openSqlite(file, { synchronous: 'FULL' })).toThrow(file);
    expect(() => openSqlite(join(folder, 'not/there'), { synchronous: 'FULL' })).toThrow(
      /not\/there cannot be used/,
    );
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
