import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { StoreUnavailable } from '../../src/eventStore/eventStore.ts';
import { type Mongo, openMongo } from '../../src/openMongo.ts';
import { mongoReadStore } from '../../src/readStore/mongoReadStore.ts';
import { keyring } from '../../src/secretStore/keyring.ts';
import { mongoSecretStore } from '../../src/secretStore/mongoSecretStore.ts';
import { readStoreContract } from '../contracts/readStore.ts';
import { newKey, secretStoreContract } from '../contracts/secretStore.ts';
import { type RealServer, startFerretdb } from '../realServers.ts';
import { whereServersRun } from '../whereServersRun.ts';

const table = 'a-table';
const position = (n: number): string => `log.${String(n).padStart(4, '0')}`;
const rows = (n: number, value: object) =>
  Array.from({ length: n }, (_, i) => ({ key: `key ${i}`, value, position: position(1) }));

/** Tests of the stores at a server's URL, each under a prefix of its own. */
function storesAt(url: () => string): void {
  const open = async (prefix: string): Promise<Mongo> => openMongo(url(), prefix);
  const newPrefix = (): string => `test-${randomUUID().slice(0, 8)}.`;

  readStoreContract('MongoDB', async () => {
    const prefix = newPrefix();
    const [store, other] = [mongoReadStore(await open(prefix)), mongoReadStore(await open(prefix))];
    return {
      store,
      other,
      async remove() {
        await Promise.all([store.close(), other.close()]);
      },
    };
  });

  secretStoreContract('MongoDB', async (keys) => {
    const store = mongoSecretStore({ mongo: await open(newPrefix()), keyring: keys });
    return { store, remove: () => store.close() };
  });

  describe('a table in MongoDB', () => {
    test('takes values and keys of any names', async () => {
      const store = mongoReadStore(await open(newPrefix()));
      const keys = ['$key', 'a.b', 'A', 'a', 'é', '\u{1F600}', '\uFF5E'];
      const value = { $set: 1, 'a.b': { '': [null] }, '': 'é' };
      await store.commit(
        table,
        keys.map((key) => ({ key, value, position: position(1) })),
        position(1),
      );
      const listed = await store.list(table, { limit: 10 });
      const inByteOrder = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(listed.map(({ key }) => key)).toEqual(inByteOrder);
      expect(listed.every((row) => JSON.stringify(row.value) === JSON.stringify(value))).toBe(true);
      await store.close();
    });

    test('shows readers the old rows or the new ones while it is replaced, never less and never both', async () => {
      const prefix = newPrefix();
      const [store, other] = [mongoReadStore(await open(prefix)), mongoReadStore(await open(prefix))];
      await store.commit(table, rows(50, { is: 'old' }), position(1));
      await store.commit('draft', rows(50, { is: 'new' }), position(1));
      let isOver = false;
      const seen = new Set<string>();
      const reading = (async () => {
        while (!isOver) {
          const list = await other.list<{ is: string }>(table, { limit: 100 });
          expect(list).toHaveLength(50);
          const kinds = new Set(list.map(({ value }) => value.is));
          expect(kinds.size).toBe(1);
          for (const kind of kinds) seen.add(kind);
        }
      })();
      await sleep(100);
      expect(await store.replaceTable('draft', table)).toBe(true);
      await sleep(100);
      isOver = true;
      await reading;
      expect([...seen]).toEqual(['old', 'new']);
      expect(await store.tables()).toEqual([table]);
      await Promise.all([store.close(), other.close()]);
    });
  });
}

whereServersRun(['ferretdb'], 'on FerretDB', () => {
  let server: RealServer;
  const url = (): string => `mongodb://${server.address}/authledger`;
  beforeAll(async () => {
    server = await startFerretdb();
  });
  afterAll(() => server?.remove());
  storesAt(url);

  test('a server that is away shows as StoreUnavailable, and is used again once it is back', async () => {
    const readStore = mongoReadStore(await openMongo(url(), 'away.'));
    const secretStore = mongoSecretStore({
      mongo: await openMongo(url(), 'away.'),
      keyring: keyring(() => [newKey('k')]),
    });
    const row = { key: 'k', value: { v: 1 }, position: 'log.1' };
    await readStore.commit('t', [row], 'log.1');
    await server.stop('SIGKILL');
    await expect(readStore.get('t', 'k')).rejects.toThrow(StoreUnavailable);
    await expect(readStore.commit('t', [row], 'log.2')).rejects.toThrow(StoreUnavailable);
    await expect(secretStore.put({ clientId: 'c', credentialId: 'i' }, 'a token')).rejects.toThrow(
      StoreUnavailable,
    );
    const refused = await openMongo(`mongodb://user:a-password@${server.address}/`, '').catch(
      (error: Error) => error,
    );
    expect(refused).toBeInstanceOf(StoreUnavailable);
    expect(String(refused)).not.toContain('a-password');
    await server.start();
    expect((await readStore.get<{ v: number }>('t', 'k'))?.value).toEqual({ v: 1 });
    await secretStore.put({ clientId: 'c', credentialId: 'i' }, 'a token');
    expect(await secretStore.get({ clientId: 'c', credentialId: 'i' })).toBe('a token');
    await Promise.all([readStore.close(), secretStore.close()]);
  }, 60_000);
});

const real = process.env['TEST_MONGODB_URL'];
// FerretDB's updates do not compare and change in one step, as MongoDB's do.
if (real !== undefined)
  describe('on MongoDB', () => {
    storesAt(() => real);

    test('that is replaced while rows are written has them in its new place', async () => {
      const prefix = `test-${randomUUID().slice(0, 8)}.`;
      const [store, other] = [
        mongoReadStore(await openMongo(real, prefix)),
        mongoReadStore(await openMongo(real, prefix)),
      ];
      await store.commit(table, rows(1, { is: 'old' }), position(1));
      await store.commit('draft', rows(1, { is: 'new' }), position(5));
      const replacing = store.replaceTable('draft', table);
      for (let n = 6; n < 30; n += 1)
        await other.commit(table, [{ key: `late ${n}`, value: {}, position: position(n) }], position(n));
      const isReplaced = await replacing;
      const keys = (await store.list(table, { limit: 100 })).map(({ key }) => key);
      expect(keys).toHaveLength(25);
      expect((await store.get<{ is: string }>(table, 'key 0'))?.value).toEqual({
        is: isReplaced ? 'new' : 'old',
      });
      expect(await store.checkpoint(table)).toBe(position(29));
      await Promise.all([store.close(), other.close()]);
    });
  });
