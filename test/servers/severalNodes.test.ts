import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { tableOf } from '../../src/projection.ts';
import { allProjections } from '../../src/readSide/projector.ts';
import { rowsOf } from '../allRows.ts';
import { inStores } from '../inStores.ts';
import { startCuttableProxy } from '../kurrentDouble/cuttableProxy.ts';
import { type KurrentDouble, startKurrentDouble } from '../kurrentDouble/kurrentDouble.ts';
import { type RealServer, startFerretdb } from './realServers.ts';
import { signedFetch } from '../signed.ts';
import { minutesFromNow, ROOT, startService, STATIC_CLIENTS, type TestService } from '../startService.ts';
import { whereServersRun } from './whereServersRun.ts';

const body = { expires: minutesFromNow(60), description: 'a client', scopes: ['a:scope'] };

whereServersRun(['ferretdb'], 'two nodes over KurrentDB (its double) and FerretDB', () => {
  let database: RealServer;
  let double: KurrentDouble;
  let proxy: Awaited<ReturnType<typeof startCuttableProxy>>;
  let nodes: TestService[];
  let env: Record<string, string>;
  beforeAll(async () => {
    database = await startFerretdb();
    double = await startKurrentDouble();
    proxy = await startCuttableProxy(double.port);
    env = {
      EVENT_STORE_URL: `kurrentdb://127.0.0.1:${proxy.port}?tls=false`,
      READ_STORE_URL: `mongodb://${database.address}/authledger`,
      SECRET_KEYS: JSON.stringify([{ id: 'one', key: randomBytes(32).toString('base64') }]),
      STATIC_CLIENTS,
      MAX_STALENESS: '2s',
    };
    nodes = [await startService(env), await startService(env)];
  }, 60_000);
  afterAll(async () => {
    await Promise.all(nodes?.map((node) => node.remove()) ?? []);
    await proxy?.close();
    double?.close();
    await database?.remove();
  });

  const urlOn = (node: number, clientId: string): string =>
    `${nodes[node]!.rootUrl}/api/auth/v1/clients/${encodeURIComponent(clientId)}`;
  const statusOn = async (node: number, clientId: string): Promise<number> =>
    (await signedFetch(urlOn(node, clientId), ROOT)).status;
  async function until(isSo: () => Promise<boolean>): Promise<void> {
    for (const started = Date.now(); !(await isSo()); await sleep(10))
      if (Date.now() - started > 10_000) throw new Error('not so within 10 s');
  }
  const created = (): string[] =>
    double.log.events
      .filter(({ metadata }) => metadata.some(([, value]) => value === 'ClientCreated'))
      .map(({ data }) => (JSON.parse(Buffer.from(data).toString()) as { clientId: string }).clientId);

  test('know soon what was changed through the other', async () => {
    expect((await signedFetch(urlOn(0, 'one'), ROOT, { method: 'PUT', body })).status).toBe(200);
    await until(async () => (await statusOn(1, 'one')) === 200);
    expect((await signedFetch(urlOn(1, 'one'), ROOT, { method: 'DELETE' })).status).toBe(204);
    await until(async () => (await statusOn(0, 'one')) === 404);
  });

  test('make each change once, with one answer, while their connections are cut', async () => {
    let isOver = false;
    const cutting = (async () => {
      for (; !isOver; await sleep(150)) {
        double.faults.beforeReply = () => {
          double.faults.beforeReply = undefined;
          proxy.cut();
        };
      }
      double.faults.beforeReply = undefined;
    })();
    const names = Array.from({ length: 40 }, (_, i) => `cut/${i}`);
    for (const [i, name] of names.entries())
      expect((await signedFetch(urlOn(i % 2, name), ROOT, { method: 'PUT', body })).status).toBe(200);
    isOver = true;
    await cutting;
    expect(created().filter((name) => name.startsWith('cut/'))).toEqual(names);
    for (const node of [0, 1])
      await until(async () => {
        const statuses = await Promise.all(names.map((name) => statusOn(node, name)));
        return statuses.every((status) => status === 200);
      });
  });

  test('say no rather than an old yes while they cannot reach the log, and answer again once they can', async () => {
    expect(await statusOn(0, 'cut/0')).toBe(200);
    proxy.shut();
    await until(async () => (await statusOn(0, 'cut/0')) === 503 && (await statusOn(1, 'cut/0')) === 503);
    proxy.open();
    await until(async () => (await statusOn(0, 'cut/0')) === 200 && (await statusOn(1, 'cut/0')) === 200);
  });

  test('build tables that are missing while both serve, then answer auditors alike', async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    const rows = () => inStores(env, ({ readStore }) => rowsOf(readStore, allProjections));
    const before = await rows();
    const at = await inStores(env, ({ eventStore }) => eventStore.head());
    await inStores(env, async ({ readStore }) => {
      for (const projection of allProjections.slice(2)) await readStore.dropTable(tableOf(projection));
    });
    nodes = await Promise.all(nodes.map((node) => node.restart()));
    for (const node of [0, 1]) expect(await statusOn(node, 'cut/0')).toBe(200);
    const auditors = (node: number) => `${nodes[node]!.rootUrl}/api/authledger/v1`;
    const whoCan = { method: 'POST', body: { expression: 'a:scope', at } };
    const askOn = (node: number) =>
      Promise.all([
        signedFetch(`${auditors(node)}/history?prefix=cut%2F`, ROOT),
        signedFetch(`${auditors(node)}/who-can`, ROOT, whoCan),
        signedFetch(`${urlOn(node, 'cut/0')}?at=${at}`, ROOT),
      ]);
    const askBoth = () => Promise.all([askOn(0), askOn(1)]);
    await until(async () => (await askBoth()).flat().every(({ status }) => status === 200));
    const [one, two] = await askBoth();
    expect(one).toEqual(two);
    expect(one[0].body['entries']).toHaveLength(40);
    // Root can, too.
    expect(one[1].body['clients']).toHaveLength(41);
    await until(async () => isDeepStrictEqual(await rows(), before));
  });
});
