import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { EventStore } from '../../src/eventStore/eventStore.ts';
import { kurrentEventStore } from '../../src/eventStore/kurrentEventStore.ts';
import { openKurrent } from '../../src/eventStore/openKurrent.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { type KurrentDouble, startKurrentDouble } from '../kurrentDouble/kurrentDouble.ts';
import { sharedStores, type TestNode } from '../sharedStores.ts';
import { signedFetch } from '../signed.ts';
import { minutesFromNow, ROOT } from '../startService.ts';

let double: KurrentDouble;
let eventStore: EventStore;
let shared: ReturnType<typeof sharedStores>;
let node: TestNode;
beforeAll(async () => {
  double = await startKurrentDouble();
  eventStore = await openLog();
  shared = sharedStores(undefined, eventStore);
  node = await shared.startNode();
});
afterAll(async () => {
  await node.stop();
  await eventStore.close();
  double.close();
});

/** A new log on the double. */
function openLog(): Promise<EventStore> {
  const kurrent = openKurrent(`kurrentdb://127.0.0.1:${double.port}?tls=false`);
  return kurrentEventStore({ kurrent, validate: validateEvent, prefix: `${randomUUID()}.` });
}

const settings = () => ({ description: '', expires: minutesFromNow(60), scopes: ['auth:current-scopes'] });

/** Makes a request that must succeed, and counts the appends and the reads of streams that it makes. */
async function callsOf(method: string, path: string, body?: object, at = node) {
  const before = { ...double.calls };
  const reply = await signedFetch(`${at.rootUrl}/api/auth/v1/clients/${path}`, ROOT, { method, body });
  expect(reply.status).toBeLessThan(300);
  return {
    appends: double.calls.appends - before.appends,
    streamReads: double.calls.streamReads - before.streamReads,
  };
}

test('creating a client, and changing one that the read side holds, is one append and reads no stream', async () => {
  const { scopes, ...others } = settings();
  const steps: [method: string, path: string, body?: object][] = [
    ['PUT', 'a', settings()],
    ['POST', 'a', { ...others, description: 'changed' }],
    ['POST', 'a', { ...others, scopes: [...scopes, 'assume:x'] }],
    ['POST', 'a/disable'],
    ['POST', 'a/enable'],
    ['POST', 'a/reset'],
    ['DELETE', 'a'],
  ];
  for (const step of steps)
    expect([step, await callsOf(...step)]).toEqual([step, { appends: 1, streamReads: 0 }]);
});

test('creating a client that was deleted before reads its stream at most three times', async () => {
  await callsOf('PUT', 'b', settings());
  await callsOf('DELETE', 'b');
  const { appends, streamReads } = await callsOf('PUT', 'b', settings());
  expect(appends).toBe(2);
  expect(streamReads).toBeLessThanOrEqual(3);
});

test('a change that comes after another node’s reads the stream at most three times', async () => {
  await callsOf('PUT', 'c', settings());
  const late = await shared.startNode({ MAX_STALENESS: '10s' });
  // From now on it has the row in memory, and does not take a newer one from the table.
  expect((await signedFetch(`${late.rootUrl}/api/auth/v1/clients/c`, ROOT)).status).toBe(200);
  late.link.lag = 2000;
  await callsOf('POST', 'c/disable');
  const { appends, streamReads } = await callsOf('POST', 'c/reset', undefined, late);
  expect(appends).toBe(2);
  expect(streamReads).toBeLessThanOrEqual(3);
  late.link.lag = 0;
  await late.stop();
});

test('a node that begins with a backlog reads it, and follows what comes then', async () => {
  const log = await openLog();
  const data = { service: 'statsum', target: 'some-project', expires: minutesFromNow(5) };
  for (let i = 0; i < 10; i += 1) {
    const events = Array.from({ length: 150 }, () => ({ id: randomUUID(), type: 'CredentialsIssued', data }));
    await log.append([{ stream: `credentials-${i}`, expectedRevision: 'none', events }], {
      actor: 'x',
      at: new Date().toJSON(),
      requestId: 'r',
    });
  }
  const before = { ...double.calls };
  const fresh = await sharedStores(undefined, log).startNode();
  expect(double.calls.eventsRead - before.eventsRead).toBeGreaterThanOrEqual(1500);
  // The static clients that the node writes at its start.
  expect(double.calls.eventsFollowed - before.eventsFollowed).toBeLessThan(10);
  await fresh.stop();
  await log.close();
});
