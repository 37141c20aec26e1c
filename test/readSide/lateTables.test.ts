import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import pino from 'pino';
import { tableOf } from '../../src/projection.ts';
import type { NewEvent } from '../../src/event.ts';
import type { EventStore } from '../../src/eventStore/eventStore.ts';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { clientStream } from '../../src/eventStore/streams.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { makeLongWork } from '../../src/process/longWork.ts';
import { makeFormerStates } from '../../src/readSide/formerStates.ts';
import { allProjections, type Projector, startProjector } from '../../src/readSide/projector.ts';
import { draftTableOf, rebuild } from '../../src/readSide/rebuild.ts';
import { clientGiven } from '../../projections/clientScopes.ts';
import { lives } from '../../projections/lives.ts';
import { StoreUnavailable } from '../../src/storage/storeErrors.ts';
import { holdLease } from '../../src/readStore/lease.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import { getEntityHistory } from '../../src/api/audit/getEntityHistory.ts';
import { makeClientHistory } from '../../src/readSide/clientHistory.ts';
import type { ReadStore } from '../../src/readStore/readStore.ts';
import { rowsOf } from '../allRows.ts';
import { metadata } from '../contracts/eventStore.ts';

const log = pino({ level: 'silent' });
const caller = { clientId: 'an/auditor', scopes: ['*'] };
type Stores = { eventStore: EventStore; readStore: ReadStore };
/** More than a node reads at its start for tables that no decision on access needs. */
const COUNT = 12_000;
const EVENTS_PER_APPEND = 500;
/** The tables of the release before, which are up to date. */
const authorizing = allProjections.slice(0, 2);

async function createClients(eventStore: EventStore, ids: string[]): Promise<void> {
  const writes = ids.map((clientId) => {
    const data = {
      clientId,
      description: '',
      expires: '2030-01-01T00:00:00.000Z',
      deleteOnExpiration: false,
      scopes: [`scope:${clientId}`],
      credential: { id: '00000000-0000-4000-8000-000000000000', fingerprint: '0123456789abcdef' },
    };
    const events = [{ type: 'ClientCreated', data, id: randomUUID() }] as NewEvent[];
    return { stream: clientStream(clientId), expectedRevision: 'none' as const, events };
  });
  for (let from = 0; from < writes.length; from += EVENTS_PER_APPEND)
    await eventStore.append(writes.slice(from, from + EVENTS_PER_APPEND), metadata);
}

const ids = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `c/${String(from + i).padStart(5, '0')}`);

const startNode = (eventStore: EventStore, readStore: ReadStore, to = log): Promise<Projector> =>
  startProjector({ eventStore, readStore, log: to, holder: randomUUID() });

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(5);
}

async function expectTablesOfTheLog({ eventStore, readStore }: Stores): Promise<void> {
  const built = await rowsOf(readStore, allProjections);
  await rebuild(allProjections, { eventStore, readStore });
  expect(built).toEqual(await rowsOf(readStore, allProjections));
}

/** A log with the tables of a release that lacks some of today's. */
async function logOfFormerRelease(): Promise<Stores> {
  const eventStore = memoryEventStore({ validate: validateEvent });
  const readStore = memoryReadStore();
  await createClients(eventStore, ids(0, COUNT));
  await rebuild(authorizing, { eventStore, readStore });
  return { eventStore, readStore };
}

test('on a log that is there already, new tables are built while the node serves', async () => {
  const { eventStore, readStore } = await logOfFormerRelease();
  const projector = await startNode(eventStore, readStore);
  expect(await projector.clients.get('c/00042')).toMatchObject({ clientId: 'c/00042' });
  for (const read of [
    () => projector.lives,
    () => projector.times,
    () => projector.clientScopes,
    () => projector.roleHistory,
    () => projector.actorHistory,
  ])
    expect(read).toThrow(/is being built from the log and has come to \d+ %: try again/);
  const longWork = makeLongWork({ log });
  const clientHistory = makeClientHistory(eventStore);
  const ofClient = {
    params: { entityType: 'client', entityId: 'c/00042' },
    query: {},
    caller,
    origin: {},
    signed: { payload: Buffer.alloc(0) },
  };
  expect(
    await getEntityHistory({ projector, clientHistory, longWork }).handle(ofClient as never),
  ).toMatchObject({ body: { auditHistory: [{ entityId: 'c/00042' }] } });
  const formerStates = makeFormerStates({ projector, eventStore, longWork });
  const position = await eventStore.head();
  const state = formerStates(
    { position, at: metadata.at, time: new Date(metadata.at) },
    { caller: 'an auditor' },
  );
  for (let i = 0; i < 3; i += 1)
    await expect(state.rolesReachedBy(['assume:r'])).rejects.toMatchObject({ status: 503 });

  // Changes during the build are in the tables, too.
  await createClients(eventStore, ids(COUNT, COUNT + 50));
  await projector.untilComplete;
  expect(
    await projector.lives.get(`client/c/00042\n${eventStore.logId}.${'43'.padStart(20, '0')}`),
  ).toBeDefined();
  expect((await state.rolesReachedBy(['assume:r'])).get('r')).toBeUndefined();
  expect((await state.clients({ limit: 2 })).rows.map(({ key }) => key)).toEqual(ids(0, 2));
  await createClients(eventStore, ids(COUNT + 50, COUNT + 60));
  expect(await projector.waitFor(await eventStore.head())).toBe(true);
  await projector.stop();

  await expectTablesOfTheLog({ eventStore, readStore });
});

test('several nodes build new tables once, and each has them', async () => {
  const { eventStore, readStore } = await logOfFormerRelease();
  const nodes = await Promise.all([startNode(eventStore, readStore), startNode(eventStore, readStore)]);
  await createClients(eventStore, ids(COUNT, COUNT + 50));
  await Promise.all(nodes.map(({ untilComplete }) => untilComplete));
  await createClients(eventStore, ids(COUNT + 50, COUNT + 60));
  for (const node of nodes) {
    expect(await node.waitFor(await eventStore.head())).toBe(true);
    const { rows } = await node.clientScopes.list({ prefix: `scope:c/${COUNT + 55}`, limit: 10 });
    expect(rows.map(({ key }) => clientGiven(key))).toEqual([`c/${COUNT + 55}`]);
  }
  await Promise.all(nodes.map((node) => node.stop()));
});

test('a node that is stopped leaves the building of new tables to the next one', async () => {
  const { eventStore, readStore } = await logOfFormerRelease();
  const first = await startNode(eventStore, readStore);
  await until(async () => (await readStore.checkpoint(draftTableOf(lives))) !== undefined);
  await first.stop();
  const reached = await readStore.checkpoint(draftTableOf(lives));
  expect(await readStore.checkpoint(tableOf(lives))).toBeUndefined();
  const reads: unknown[] = [];
  const watched: EventStore = {
    ...eventStore,
    subscribe: (options) => (reads.push(options.after), eventStore.subscribe(options)),
  };
  const second = await startNode(watched, readStore);
  await second.untilComplete;
  // It goes on with what the first one has built.
  expect(reads).toContain(reached);
  expect(reads).not.toContain(eventStore.start);
  await second.stop();
  await expectTablesOfTheLog({ eventStore, readStore });
});

test('a node that loses its lease while it builds new tables leaves them alone, until it has it again', async () => {
  const { eventStore, readStore } = await logOfFormerRelease();
  const node = await startNode(eventStore, readStore);
  const name = `rebuild ${lives.name}`;
  await until(async () => (await readStore.checkpoint(draftTableOf(lives))) !== undefined);
  const expected = await readStore.readLease(name);
  const next = { holder: 'another node', counter: expected!.counter + 1 };
  expect(await readStore.swapLease(name, { expected, next })).toBe(true);
  await node.untilComplete;
  await node.stop();
  await expectTablesOfTheLog({ eventStore, readStore });
});

test('new tables are built in spite of an outage of the read store, which the log names', async () => {
  const { eventStore, readStore } = await logOfFormerRelease();
  let isCut = false;
  const cuttable = new Proxy(readStore, {
    get(target, name: keyof ReadStore) {
      const method = target[name] as (...args: unknown[]) => unknown;
      return async (...args: unknown[]) => {
        if (isCut) throw new StoreUnavailable('out of reach');
        return method(...args);
      };
    },
  });
  const lines: string[] = [];
  const node = await startNode(
    eventStore,
    cuttable,
    pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }),
  );
  await until(async () => (await readStore.checkpoint(draftTableOf(lives))) !== undefined);
  isCut = true;
  await until(() => lines.some((line) => line.includes('building read models failed: trying again')));
  expect(lines.join()).toContain('out of reach');
  isCut = false;
  await node.untilComplete;
  await node.stop();
  await expectTablesOfTheLog({ eventStore, readStore });
});

test('new tables are not built over an event that this release cannot read, and reading them says so', async () => {
  const eventStore = memoryEventStore({ validate: () => undefined });
  const readStore = memoryReadStore();
  await createClients(eventStore, ids(0, COUNT));
  const unknown = { type: 'ClientPraised', data: { clientId: 'c' }, id: randomUUID() } as unknown as NewEvent;
  await eventStore.append(
    [{ stream: clientStream('c'), expectedRevision: 'none', events: [unknown] }],
    metadata,
  );
  // As a newer release leaves them, before one goes back to this one.
  for (const each of authorizing) await readStore.commit(tableOf(each), [], await eventStore.head());
  const lines: string[] = [];
  const node = await startNode(
    eventStore,
    readStore,
    pino({ level: 'error' }, { write: (line: string) => void lines.push(line) }),
  );
  await node.untilComplete;
  expect(() => node.lives).toThrow(/cannot be built: event .* of type ClientPraised/);
  expect(lines.join()).toMatch(/read models cannot be built/);
  await node.stop();
  expect(await readStore.checkpoint(tableOf(lives))).toBeUndefined();
});

test('a node starts beside one of the release before, which holds the lease on its own tables', async () => {
  const { eventStore, readStore } = await logOfFormerRelease();
  for (const each of authorizing) await readStore.dropTable(tableOf(each));
  const former = holdLease({ readStore, name: 'projections', holder: 'of the release before' });
  const projector = await startNode(eventStore, readStore);
  await projector.untilComplete;
  expect(projector.isWriter()).toBe(true);
  expect(await projector.clients.get('c/00042')).toMatchObject({ clientId: 'c/00042' });
  await projector.stop();
  for (const each of allProjections)
    expect(await readStore.checkpoint(tableOf(each))).toBe(await eventStore.head());
  await former.release();
});
