import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ConfigError } from '../../src/config/configError.ts';
import { StoreUnavailable } from '../../src/storage/storeErrors.ts';
import { type Mongo, openMongo } from '../../src/storage/openMongo.ts';
import { mongoReadStore } from '../../src/readStore/mongoReadStore.ts';
import { keyring } from '../../src/secretStore/keyring.ts';
import { mongoSecretStore } from '../../src/secretStore/mongoSecretStore.ts';
import { readStoreContract } from '../contracts/readStore.ts';
import { newKey, secretStoreContract } from '../contracts/secretStore.ts';
import { startLossyProxy } from '../lossyProxy.ts';
import { type RealServer, startFerretdb } from './realServers.ts';
import { whereServersRun } from './whereServersRun.ts';

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

  test('very many secrets at once are all kept, while tables are written', async () => {
    const prefix = newPrefix();
    const secrets = mongoSecretStore({ mongo: await open(prefix), keyring: keyring(() => [newKey('k')]) });
    const tables = [mongoReadStore(await open(prefix)), mongoReadStore(await open(prefix))];
    let isOver = false;
    const writing = tables.map(async (store, i) => {
      for (let n = 1; !isOver; n += 1) await store.commit(`${table}-${i}`, rows(50, { n }), position(n));
    });
    const places = Array.from({ length: 600 }, () => ({ clientId: 'c', credentialId: randomUUID() }));
    await Promise.all(places.map((place) => secrets.put(place, 'token')));
    isOver = true;
    await Promise.all(writing);
    expect(await secrets.list({ limit: 1000 })).toHaveLength(600);
    await Promise.all([secrets, ...tables].map((store) => store.close()));
  }, 60_000);

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
      const { rows: listed } = await store.list(table, { limit: 10 });
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
          const { rows: list } = await other.list<{ is: string }>(table, { limit: 100 });
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

    test('that is replaced while rows are written has them in its new place', async () => {
      const prefix = newPrefix();
      const [store, other] = [mongoReadStore(await open(prefix)), mongoReadStore(await open(prefix))];
      await store.commit(table, rows(1, { is: 'old' }), position(1));
      await store.commit('draft', rows(1, { is: 'new' }), position(20));
      const replacing = store.replaceTable('draft', table);
      for (let n = 6; n < 30; n += 1)
        await other.commit(table, [{ key: `late ${n}`, value: {}, position: position(n) }], position(n));
      const isReplaced = await replacing;
      expect((await store.get<{ is: string }>(table, 'key 0'))?.value).toEqual({
        is: isReplaced ? 'new' : 'old',
      });
      for (let n = isReplaced ? 21 : 6; n < 30; n += 1)
        expect(await store.get(table, `late ${n}`)).toMatchObject({ position: position(n) });
      expect(await store.checkpoint(table)).toBe(position(29));
      await Promise.all([store.close(), other.close()]);
    });

    test('whose replacement was cut off at any moment has its old rows or its new ones, and can be replaced again', async () => {
      const cutAfter = async (calls: number): Promise<boolean> => {
        const prefix = newPrefix();
        const mongo = await open(prefix);
        const [store, cut] = [mongoReadStore(mongo), mongoReadStore(cutOff(mongo, calls))];
        await store.commit(table, rows(9, { is: 'old' }), position(1));
        await store.commit('draft', rows(9, { is: 'new' }), position(1));
        const isCut = await cut.replaceTable('draft', table).then(
          () => false,
          () => true,
        );
        await store.commit(
          table,
          [{ key: 'late', value: { is: 'late' }, position: position(2) }],
          position(2),
        );
        const kinds = async (): Promise<string[]> =>
          (await mongoReadStore(mongo).list<{ is: string }>(table, { limit: 20 })).rows.map(
            ({ value }) => value.is,
          );
        const found = await kinds();
        expect(found).toHaveLength(10);
        expect(new Set(found).size).toBe(2);
        await store.dropTable('draft');
        expect(await kinds()).toEqual(found);
        await store.commit('draft', rows(9, { is: 'newer' }), position(3));
        expect(await store.replaceTable('draft', table)).toBe(true);
        expect(new Set(await kinds())).toEqual(new Set(['newer']));
        const all = await mongo.collection('tables').find().toArray();
        expect(all.filter(({ _id }) => !_id.startsWith('draft'))).toHaveLength(1);
        await mongo.close();
        return isCut;
      };
      const calls = Array.from({ length: 24 }, (_, i) => i);
      const outcomes = await Promise.all(calls.map(cutAfter));
      // The last ones were not cut off any more: there were no more calls to cut.
      expect(outcomes.indexOf(false)).toBeGreaterThan(8);
      expect(outcomes.at(-1)).toBe(false);
    }, 60_000);
  });
}

/** A database that is out of reach after so many calls. */
function cutOff(mongo: Mongo, calls: number): Mongo {
  let left = calls;
  const counted = new Set([
    'find',
    'findOne',
    'insertOne',
    'insertMany',
    'updateOne',
    'deleteOne',
    'deleteMany',
  ]);
  const count = (): void => {
    if ((left -= 1) < 0) throw new StoreUnavailable('cut off');
  };
  return {
    ...mongo,
    collection: (name) =>
      new Proxy(mongo.collection(name), {
        get(target, method, receiver) {
          const value: unknown = Reflect.get(target, method, receiver);
          if (typeof value !== 'function') return value;
          if (counted.has(String(method))) count();
          return value.bind(target) as unknown;
        },
      }) as never,
    async drop(name) {
      count();
      await mongo.drop(name);
    },
  };
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

  test('whichever way a server breaks off what is under way, or keeps it waiting, that is StoreUnavailable', async () => {
    const mongo = await openMongo(url(), 'breaks.');
    const readStore = mongoReadStore(mongo);
    const secretStore = mongoSecretStore({ mongo, keyring: keyring(() => [newKey('k')]) });
    await readStore.commit(table, rows(20, {}), position(1));
    const ways: ((n: number) => Promise<unknown>)[] = [
      () => readStore.get(table, 'key 1'),
      () => readStore.list(table, { limit: 20 }),
      (n) => readStore.commit(table, [{ key: `${n}`, value: {}, position: position(2) }], position(2)),
      (n) => secretStore.put({ clientId: 'c', credentialId: `${n}` }, 'a token'),
      () => secretStore.get({ clientId: 'c', credentialId: '1' }),
    ];
    let isOver = false;
    const errors: unknown[] = [];
    const asking = ways.map(async (ask) => {
      for (let n = 0; !isOver; n += 1) {
        await ask(n).catch((error: unknown) => errors.push(error));
        await sleep(5);
      }
    });
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await sleep(200);
      await server.stop(signal);
      await sleep(200);
      await server.start();
    }
    await sleep(500);
    process.kill(server.pid(), 'SIGSTOP');
    await sleep(5000);
    process.kill(server.pid(), 'SIGCONT');
    isOver = true;
    await Promise.all(asking);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.filter((error) => !(error instanceof StoreUnavailable))).toEqual([]);
    // FerretDB now and then never answers again after it was frozen while it was asked.
    await server.stop('SIGKILL');
    await server.start();
    for (const ask of ways)
      while (
        !(await ask(-1).then(
          () => true,
          () => false,
        ))
      )
        await sleep(100);
    await mongo.close();
  }, 60_000);

  test('a call that the driver has lost ends all the same, and the next ones are made on a new connection', async () => {
    const mongo = await openMongo(url(), 'lost.');
    const readStore = mongoReadStore(mongo);
    await readStore.commit('t', [{ key: 'k', value: {}, position: position(1) }], position(1));
    jest.useFakeTimers({
      doNotFake: ['nextTick', 'setImmediate', 'performance', 'Date', 'hrtime', 'queueMicrotask'],
    });
    try {
      const lost = mongo.call(() => new Promise<never>(() => undefined)).catch((error: unknown) => error);
      jest.advanceTimersByTime(8000);
      expect(await lost).toBeInstanceOf(StoreUnavailable);
      expect((await readStore.get('t', 'k'))?.value).toEqual({});
      jest.advanceTimersByTime(8000);
      expect((await readStore.get('t', 'k'))?.value).toEqual({});
    } finally {
      jest.useRealTimers();
    }
    await mongo.close();
  });

  test('many rows reach a slow server in the end, as what was written is not written again', async () => {
    const way = await startLossyProxy(Number(server.address.split(':')[1]));
    const mongo = await openMongo(`mongodb://127.0.0.1:${way.port}/authledger`, 'slow.');
    const readStore = mongoReadStore(mongo);
    await readStore.commit(table, rows(250, { at: 1 }), position(1));
    const later = rows(250, { at: 2 }).map((row) => ({ ...row, position: position(2) }));
    const commit = () => readStore.commit(table, later, position(2));
    way.delayBy(500);
    await expect(commit()).rejects.toThrow(StoreUnavailable);
    let isWritten = false;
    for (let tries = 0; !isWritten && tries < 10; tries += 1)
      isWritten = await commit().then(
        () => true,
        () => false,
      );
    expect(isWritten).toBe(true);
    way.delayBy(0);
    expect((await readStore.list(table, { limit: 250 })).rows.map(({ value }) => value)).toEqual(
      later.map(({ value }) => value),
    );
    expect(await readStore.checkpoint(table)).toBe(position(2));
    await mongo.close();
    way.stop();
  }, 60_000);

  test('the database is the one that the URL names, or authledger', async () => {
    const isThereAt = async (path: string): Promise<boolean> => {
      const store = mongoReadStore(await openMongo(`mongodb://${server.address}${path}`, 'named.'));
      const isThere = (await store.tables()).length > 0;
      await store.close();
      return isThere;
    };
    const named = await openMongo(`mongodb://${server.address}/?appName=x/y`, 'named.');
    await mongoReadStore(named).commit(table, [], position(1));
    await named.close();
    for (const path of ['', '/', '/authledger', '/auth%6Cedger?maxPoolSize=5'])
      expect({ path, isThere: await isThereAt(path) }).toEqual({ path, isThere: true });
    expect(await isThereAt('/another')).toBe(false);
  });
});

describe('a URL that the driver refuses', () => {
  test.each([
    ['mongodb://user:pass@word-1@host/', /READ_STORE_URL/],
    ['mongodb://user:pass%word-1@host/', /READ_STORE_URL/],
    ['mongodb://user:password-1@host/?noSuchOption=1', /nosuchoption/],
    ['mongodb://host:0/', /READ_STORE_URL/],
    ['mongodb://user:password-1@host/?tls=perhaps', /tls/],
    ['mongodb+srv://user:password-1@host.example.com:27017/', /port/],
  ])('is named, and what it is, but no password: %s', async (url, message) => {
    const error = await openMongo(url, '').catch((thrown: Error) => thrown);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toMatch(/word-1/);
  });
});

const real = process.env['TEST_MONGODB_URL'];
if (real !== undefined)
  describe('on MongoDB', () => {
    storesAt(() => real);

    // FerretDB finds and writes a document in two steps.
    test('the latest of rows that two write at the same moment stays', async () => {
      const prefix = `test-${randomUUID().slice(0, 8)}.`;
      const [store, other] = [
        mongoReadStore(await openMongo(real, prefix)),
        mongoReadStore(await openMongo(real, prefix)),
      ];
      for (let n = 1; n < 1000; n += 1) {
        const row = (at: number) => [{ key: 'contested', value: { at }, position: position(at) }];
        const [late, latest] = [3 * n - 1, 3 * n];
        await Promise.all([
          store.commit(table, row(latest), position(latest)),
          other.commit(table, row(late), position(late)),
        ]);
        expect(await store.get(table, 'contested')).toMatchObject({ value: { at: latest } });
      }
      await Promise.all([store.close(), other.close()]);
    });
  });

test('a server that does not answer at the start is not asked again after that was told', async () => {
  let asked = 0;
  const server = createServer((socket) => {
    asked += 1;
    socket.on('error', () => undefined).destroy();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await expect(openMongo(`mongodb://127.0.0.1:${port}/`, '')).rejects.toThrow(StoreUnavailable);
  const before = asked;
  expect(before).toBeGreaterThan(0);
  await sleep(1500);
  expect(asked).toBe(before);
  server.close();
}, 20_000);
