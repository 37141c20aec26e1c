import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { sharedStores, type TestNode } from '../sharedStores.ts';
import { type Reply, signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, ROOT } from '../startService.ts';

/** How long (ms) the log takes to say where it ends. */
let delay = 0;
let node: TestNode;
beforeEach(async () => {
  delay = 0;
  const log = memoryEventStore({ validate: validateEvent });
  const slowLog = {
    ...log,
    async head() {
      if (delay > 0) await sleep(delay);
      return log.head();
    },
  };
  node = await sharedStores(undefined, slowLog).startNode({ MAX_STALENESS: '30s' });
});
afterEach(() => {
  delay = 0;
  return node.stop();
});

const ask = (method: string, path: string, caller: Credentials, body?: object): Promise<Reply> =>
  signedFetch(`${node.rootUrl}/api/auth/v1${path}`, caller, { method, body });
const settings = (...scopes: string[]) => ({ description: '', expires: minutesFromNow(60), scopes });

async function create(clientId: string, ...scopes: string[]): Promise<Credentials> {
  const { status, body } = await ask('PUT', `/clients/${clientId}`, ROOT, settings(...scopes));
  expect(status).toBe(200);
  return { clientId, accessToken: body['accessToken']! };
}

test('a change that is refused is looked up in the log without holding up others’ changes of the same stream', async () => {
  const stranger = await create('stranger');
  delay = 1500;
  const role = { description: '', scopes: [] };
  const refused = ask('PUT', '/roles/refused', stranger, role);
  await sleep(100);
  const made = ask('PUT', '/roles/made', ROOT, role);
  const first = await Promise.race([refused.then(() => 'refused'), made.then(() => 'made')]);
  expect(first).toBe('made');
  expect([(await refused).status, (await made).status]).toEqual([403, 200]);
});

test('a caller who loses the right while it is looked up that nothing has to change is refused', async () => {
  const caller = await create('caller', 'auth:update-client:same');
  await create('same');
  const { description, expires } = (await ask('GET', '/clients/same', ROOT)).body;
  delay = 1000;
  const unchanged = ask('POST', '/clients/same', caller, { description, expires, scopes: [] });
  await sleep(200);
  expect((await ask('POST', '/clients/caller/disable', ROOT)).status).toBe(200);
  expect((await unchanged).status).toBe(401);
});
