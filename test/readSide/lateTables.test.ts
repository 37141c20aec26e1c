import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import pino from 'pino';
import type { Projection } from '../../src/projection.ts';
import { tableOf } from '../../src/projection.ts';
import type { Event, NewEvent } from '../../src/event.ts';
import type { EventStore } from '../../src/eventStore/eventStore.ts';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { clientStream } from '../../src/eventStore/streams.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { makeLongWork } from '../../src/process/longWork.ts';
import { makeFormerStates } from '../../src/readSide/formerStates.ts';
import { allProjections, type Projector, startProjector } from '../../src/readSide/projector.ts';
import { rebuild } from '../../src/readSide/rebuild.ts';
import { holdLease } from '../../src/readStore/lease.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import type { ReadStore } from '../../src/readStore/readStore.ts';
import { allRows } from '../allRows.ts';
import { metadata } from '../contracts/eventStore.ts';

const log = pino({ level: 'silent' });
/** More than a node reads at its start for tables that no decision on access needs. */
const COUNT = 12_000;
/** The tables of the release before, which are up to date. */
const authorizing = allProjections.slice(0, 2);

async function createClients(eventStore: EventStore, ids: string[]): Promise<void> {
  for (const clientId of ids) {
    const data = {
      clientId,
      description: '',
      expires: '2030-01-01T00:00:00.000Z',
      deleteOnExpiration: false,
      scopes: [`scope:${clientId}`],
      credential: { id: '00000000-0000-4000-8000-000000000000', fingerprint: '0123456789abcdef' },
    };
    const events = [{ type: 'ClientCreated', data, id: randomUUID() }] as NewEvent[];
    await eventStore.append([{ stream: clientStream(clientId), expectedRevision: 'none', events }], metadata);
  }
}

const ids = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `c/${String(from + i).padStart(5, '0')}`);

const startNode = (eventStore: EventStore, readStore: ReadStore): Promise<Projector> =>
  startProjector({ eventStore, readStore, log, holder: randomUUID() });

/** A log with the tables of a release that lacks some of today's. */
async function logOfFormerRelease(): Promise<{ eventStore: EventStore; readStore: ReadStore }> {
  const eventStore = memoryEventStore({ validate: validateEvent });
  const readStore = memoryReadStore();
  await createClients(eventStore, ids(0, COUNT));
  await rebuild(authorizing, { eventStore, readStore });
  return { eventStore, readStore };
}

const rowsIn = (readStore: ReadStore, projections: Projection<object, Event>[]): Promise<unknown[]> =>
  Promise.all(projections.map((each) => allRows(readStore, tableOf(each))));

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
  const formerStates = makeFormerStates({ projector, eventStore, longWork: makeLongWork({ log }) });
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

  const built = await rowsIn(readStore, allProjections);
  await rebuild(allProjections, { eventStore, readStore });
  expect(built).toEqual(await rowsIn(readStore, allProjections));
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
    expect(rows.map(({ value }) => value)).toEqual([{ clientId: `c/${COUNT + 55}` }]);
  }
  await Promise.all(nodes.map((node) => node.stop()));
});

test('a node that is stopped leaves the building of new tables to the next one', async () => {
  const { eventStore, readStore } = await logOfFormerRelease();
  const first = await startNode(eventStore, readStore);
  await first.stop();
  const second = await startNode(eventStore, readStore);
  await second.untilComplete;
  expect((await second.lives.list({ prefix: 'client/', limit: 10 })).rows).toHaveLength(10);
  await second.stop();
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
