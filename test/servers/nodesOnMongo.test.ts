import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openMongo } from '../../src/storage/openMongo.ts';
import { allProjections } from '../../src/readSide/projector.ts';
import { mongoReadStore } from '../../src/readStore/mongoReadStore.ts';
import { rebuild } from '../../src/readSide/rebuild.ts';
import { mongoSecretStore } from '../../src/secretStore/mongoSecretStore.ts';
import { type RealServer, startFerretdb } from './realServers.ts';
import { sharedStores, type TestNode } from '../sharedStores.ts';
import { signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, ROOT } from '../startService.ts';
import { whereServersRun } from './whereServersRun.ts';
import { rowsOf } from '../allRows.ts';

const OUTAGE = 15_000;

whereServersRun(['ferretdb'], 'nodes on FerretDB', () => {
  let server: RealServer;
  beforeAll(async () => {
    server = await startFerretdb();
  });
  afterAll(() => server?.remove());
  const open = () => openMongo(`mongodb://${server.address}/`, 'authledger.');

  const at = ({ rootUrl }: TestNode, path: string): string => `${rootUrl}/api/auth/v1${path}`;
  const statusOf = async (node: TestNode, client: Credentials): Promise<number> =>
    (await signedFetch(at(node, '/scopes/current'), client)).status;
  async function change(node: TestNode, path: string, body?: object) {
    return signedFetch(at(node, path), ROOT, { method: body ? 'PUT' : 'POST', body });
  }

  test('the server may be away for 15 s: nothing is answered wrongly, and all is answered again within 10 s', async () => {
    const shared = sharedStores(async (keyring) => ({
      readStore: mongoReadStore(await open()),
      secretStore: mongoSecretStore({ mongo: await open(), keyring }),
    }));
    const nodes = await Promise.all([shared.startNode(), shared.startNode()]);
    const [one, two] = nodes as [TestNode, TestNode];
    const settings = { description: '', expires: minutesFromNow(60), scopes: ['auth:current-scopes'] };
    const create = async (name: string): Promise<Credentials> => {
      const { status, body } = await change(one, `/clients/${name}`, settings);
      expect(status).toBe(200);
      return { clientId: name, accessToken: body['accessToken']! };
    };
    const [known, other, disabled] = [await create('known'), await create('other'), await create('disabled')];
    await sleep(1000);
    for (const node of nodes)
      for (const client of [known, disabled, ROOT, known, disabled, ROOT])
        expect(await statusOf(node, client)).toBe(200);

    await server.stop('SIGKILL');
    expect((await change(two, '/clients/disabled/disable')).status).toBe(200);
    await sleep(200);
    const seen = { known: new Set<number>(), other: new Set<number>(), disabled: new Set<number>() };
    for (const end = Date.now() + OUTAGE; Date.now() < end; await sleep(200))
      for (const node of nodes) {
        seen.known.add(await statusOf(node, known));
        seen.disabled.add(await statusOf(node, disabled));
        void statusOf(two, other).then((status) => seen.other.add(status));
      }
    await server.start();
    const back = Date.now();
    for (const node of nodes)
      while ((await statusOf(node, other)) !== 200) {
        expect(Date.now() - back).toBeLessThan(10_000);
        await sleep(100);
      }
    expect([...seen.known]).toEqual([200]);
    expect([...seen.disabled]).toEqual([401]);
    seen.other.delete(200);
    expect([...seen.other]).toEqual([503]);
    expect((await change(two, '/clients/new', settings)).status).toBe(200);
    expect(one.logged() + two.logged()).not.toMatch(/internal error/);
    for (const node of nodes) await node.stop();

    const readStore = mongoReadStore(await open());
    const rows = (): Promise<unknown[]> => rowsOf(readStore, allProjections);
    const written = await rows();
    await rebuild(allProjections, { ...shared, readStore });
    expect(await rows()).toEqual(written);
    await readStore.close();
  }, 90_000);
});
