import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import type { Event, NewEvent, Position, Recorded } from '../../src/event.ts';
import { type EventStore } from '../../src/eventStore/eventStore.ts';
import { StoreUnavailable } from '../../src/storage/storeErrors.ts';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { memoryMessageBus } from '../../src/messageBus/memoryMessageBus.ts';
import { BusUnavailable, type Message, type MessageBus } from '../../src/messageBus/messageBus.ts';
import { messagesOf } from '../../src/messageBus/messagesOf.ts';
import { type Publisher, PUBLISHER_TABLE, startPublisher } from '../../src/publisher/publish.ts';
import { publisherState } from '../../src/publisher/publisherState.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import type { ReadStore } from '../../src/readStore/readStore.ts';
import { replay, ReplayRefused } from '../../src/publisher/replay.ts';
import { metadata, take } from '../contracts/eventStore.ts';
import { firsts } from '../contracts/messageBus.ts';

const corpus = JSON.parse(
  readFileSync(new URL('../corpus/events-v1.json', import.meta.url), 'utf8'),
) as Event[];
const running: Publisher[] = [];
afterEach(() => Promise.all(running.splice(0).map((publisher) => publisher.stop())));

let logged: { level: number; msg: string }[] = [];
const log = pino(
  { level: 'debug' },
  { write: (line: string) => void logged.push(JSON.parse(line) as (typeof logged)[0]) },
);

const streamOf = ({ data }: Event): string => {
  const { clientId } = data as { clientId?: string };
  return clientId === undefined ? 'roles' : `client-${clientId}`;
};
async function append(eventStore: EventStore, events: Event[], stream?: string): Promise<Position> {
  let position = '';
  for (const event of events) {
    const write = { ...event, id: randomUUID() } as NewEvent;
    ({ position } = await eventStore.append(
      [{ stream: stream ?? streamOf(event), expectedRevision: 'any', events: [write] }],
      metadata,
    ));
  }
  return position;
}
const roles = (count: number): Event[] =>
  Array.from({ length: count }, (_, n) => ({ type: 'RoleDeleted', data: { roleId: `r${n % 5}` } }));

function newStores() {
  logged = [];
  return { eventStore: memoryEventStore({ validate: validateEvent }), readStore: memoryReadStore() };
}
type Stores = { eventStore: EventStore; readStore: ReadStore };
function start(stores: Stores, bus: MessageBus, holder = 'one'): Publisher {
  const publisher = startPublisher({ ...stores, bus, log, holder });
  running.push(publisher);
  return publisher;
}
async function stop(publisher: Publisher): Promise<void> {
  running.splice(running.indexOf(publisher), 1);
  await publisher.stop();
}
async function untilPublished({ eventStore, readStore }: Stores): Promise<void> {
  const head = await eventStore.head();
  await until(async () => (await readStore.checkpoint(PUBLISHER_TABLE)) === head);
}
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries += 1) {
    if (tries > 3000) throw new Error(`it never came to be: ${String(condition)}`);
    await sleep(5);
  }
}
const all = async (eventStore: EventStore): Promise<Message[]> =>
  (await take(eventStore)).flatMap((event) => messagesOf(event as Recorded<never>));
const down = (): never => {
  throw new BusUnavailable('the bus is down', { kind: 'unreachable' });
};

describe('the publisher', () => {
  test('publishes every event in log order, those of other streams left out', async () => {
    const stores = newStores();
    const bus = memoryMessageBus();
    await append(stores.eventStore, corpus.slice(0, 5));
    start(stores, bus);
    await append(stores.eventStore, [{ type: 'RoleDeleted', data: { roleId: 'x' } }], 'another');
    await append(stores.eventStore, corpus.slice(5));
    await untilPublished(stores);
    const ours = (await take(stores.eventStore)).filter(({ stream }) => stream !== 'another');
    expect(bus.published).toEqual(ours.flatMap((event) => messagesOf(event as Recorded<never>)));
    expect(new Set(bus.published.map(({ headers }) => headers['exchange'])).size).toBe(7);
  });

  test('goes on after a restart where it was, and repeats nothing', async () => {
    const stores = newStores();
    const bus = memoryMessageBus();
    await append(stores.eventStore, corpus.slice(0, 8));
    const first = start(stores, bus);
    await untilPublished(stores);
    await stop(first);
    await append(stores.eventStore, corpus.slice(8));
    start(stores, bus);
    await untilPublished(stores);
    expect(bus.published).toEqual(await all(stores.eventStore));
  });

  test('repeats no more than what was under way, when it crashes between acknowledgement and checkpoint', async () => {
    const stores = newStores();
    const bus = memoryMessageBus();
    await append(stores.eventStore, roles(1200));
    let commits = 0;
    const crashing: ReadStore = {
      ...stores.readStore,
      commit(...args) {
        if (args[0] === PUBLISHER_TABLE && ++commits > 2) return new Promise(() => undefined);
        return stores.readStore.commit(...args);
      },
    };
    start({ ...stores, readStore: crashing }, bus);
    await until(() => commits > 2);
    const published = bus.published.length;
    const checkpoint = (await stores.readStore.checkpoint(PUBLISHER_TABLE))!;
    await stores.readStore.swapLease('publisher', {
      expected: await stores.readStore.readLease('publisher'),
      next: undefined,
    });
    start(stores, bus, 'another');
    await untilPublished(stores);
    const again = bus.published.slice(published).map(({ headers }) => headers['position']!);
    expect(again.every((position) => position > checkpoint)).toBe(true);
    expect(bus.published.length).toBeGreaterThan(2400);
    expect(firsts(bus.published)).toEqual(await all(stores.eventStore));
  });

  test('keeps everything while the bus is down, says so at every node, and floods no log', async () => {
    const stores = newStores();
    const bus = memoryMessageBus();
    let isDown = true;
    let tries = 0;
    const flaky: MessageBus = {
      ...bus,
      publish: async (messages) => (tries++, isDown ? down() : bus.publish(messages)),
    };
    start(stores, flaky);
    await append(stores.eventStore, corpus);
    await until(() => tries > 2);
    const state = await publisherState(stores);
    expect(state).toEqual({
      position: stores.eventStore.start,
      head: await stores.eventStore.head(),
      lagSeconds: Math.round((Date.now() - Date.parse(metadata.at)) / 1000),
      failure: { kind: 'unreachable', since: expect.stringMatching(/Z$/) },
    });
    expect(logged.filter(({ level }) => level >= 40)).toHaveLength(1);
    isDown = false;
    await untilPublished(stores);
    expect(bus.published).toEqual(await all(stores.eventStore));
    expect(await publisherState(stores)).toEqual({
      position: await stores.eventStore.head(),
      head: await stores.eventStore.head(),
      lagSeconds: 0,
    });
    await until(() => logged.some(({ msg }) => /works again/.test(msg)));
  });

  test('reports its state without waiting while the log is unavailable', async () => {
    const { eventStore, readStore } = newStores();
    await append(eventStore, roles(1));
    const away: EventStore = {
      ...eventStore,
      async *subscribe({ signal }) {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      },
    };
    await expect(publisherState({ eventStore: away, readStore })).rejects.toThrow(StoreUnavailable);
  });

  test('sends again what was published without an acknowledgement', async () => {
    const stores = newStores();
    const bus = memoryMessageBus();
    let lost = 0;
    await append(stores.eventStore, roles(10));
    const forgetful: MessageBus = {
      ...bus,
      async publish(messages) {
        await bus.publish(messages);
        if (messages.length > 0 && lost++ < 2) down();
      },
    };
    start(stores, forgetful);
    await untilPublished(stores);
    expect(bus.published).toHaveLength(60);
    expect(firsts(bus.published)).toEqual(await all(stores.eventStore));
  });

  test('goes on once the checkpoint can be written again, and repeats nothing', async () => {
    const stores = newStores();
    const bus = memoryMessageBus();
    let failures = 0;
    const flaky: ReadStore = {
      ...stores.readStore,
      async commit(...args) {
        if (args[0] === PUBLISHER_TABLE && args[2] !== undefined && failures++ < 2) throw new Error('away');
        return stores.readStore.commit(...args);
      },
    };
    await append(stores.eventStore, roles(10));
    start({ ...stores, readStore: flaky }, bus);
    await append(stores.eventStore, roles(10));
    await until(() => bus.published.length === 40);
    await append(stores.eventStore, roles(1));
    await untilPublished(stores);
    expect(bus.published).toEqual(await all(stores.eventStore));
  });

  test('is one node at a time, and the next one when that stops', async () => {
    const stores = newStores();
    const [one, other] = [memoryMessageBus(), memoryMessageBus()];
    const first = start(stores, one, 'one');
    await append(stores.eventStore, corpus);
    await untilPublished(stores);
    start(stores, other, 'other');
    await append(stores.eventStore, roles(3));
    await untilPublished(stores);
    expect(other.published).toEqual([]);
    await stop(first);
    await append(stores.eventStore, roles(3));
    await untilPublished(stores);
    expect([...one.published, ...other.published]).toEqual(await all(stores.eventStore));
    expect(other.published).toHaveLength(6);
  });

  test('keeps the order when a node that was frozen while publishing resumes after another one took over', async () => {
    const stores = newStores();
    const bus = memoryMessageBus();
    let wakeUp = (): void => undefined;
    const awake = new Promise<void>((resolve) => (wakeUp = resolve));
    let isFrozen = false;
    const frozen: MessageBus = {
      ...bus,
      async publish(messages) {
        if (messages.length > 0) {
          isFrozen = true;
          await awake;
        }
        await bus.publish(messages);
      },
    };
    // A frozen node does not renew its lease. Another node takes it over, and this one notices at its next renewal.
    const late = start(stores, frozen, 'frozen');
    await append(stores.eventStore, roles(7));
    await until(() => isFrozen);
    await stores.readStore.swapLease('publisher', {
      expected: await stores.readStore.readLease('publisher'),
      next: undefined,
    });
    start(stores, bus, 'another');
    await untilPublished(stores);
    await append(stores.eventStore, roles(7));
    await untilPublished(stores);
    wakeUp();
    await until(() => bus.published.length === 42);
    await append(stores.eventStore, roles(7));
    await untilPublished(stores);
    await stop(late);
    expect(bus.published).toHaveLength(56);
    expect(firsts(bus.published)).toEqual(await all(stores.eventStore));
  });

  test('publishes what is in the log before it stops, and does not wait for ever for a bus that hangs', async () => {
    const stores = newStores();
    const bus = memoryMessageBus();
    const publisher = start(stores, bus);
    await append(stores.eventStore, corpus);
    await untilPublished(stores);
    await append(stores.eventStore, roles(700));
    await stop(publisher);
    expect(bus.published).toEqual(await all(stores.eventStore));
    expect(await stores.readStore.readLease('publisher')).toBeUndefined();

    let isHanging = false;
    const hanging: MessageBus = {
      ...bus,
      publish: (messages) =>
        messages.length === 0 ? bus.publish([]) : ((isHanging = true), new Promise(() => undefined)),
    };
    await append(stores.eventStore, roles(1));
    const stuck = start(stores, hanging);
    await until(() => isHanging);
    await stop(stuck);
    expect(await stores.readStore.readLease('publisher')).toBeUndefined();
  });

  test('stops loudly at an event that this release cannot read, and leaves it to a newer one', async () => {
    const stores = { ...newStores(), eventStore: memoryEventStore({ validate: () => undefined }) };
    const bus = memoryMessageBus();
    await append(stores.eventStore, roles(2));
    const last = await stores.eventStore.head();
    await append(stores.eventStore, [{ type: 'RoleFrozen', data: { roleId: 'r' } }, ...roles(1)]);
    start(stores, bus);
    await until(() => logged.some(({ level }) => level === 60));
    await until(async () => (await stores.readStore.readLease('publisher')) === undefined);
    expect(bus.published).toHaveLength(4);
    expect(await publisherState(stores)).toMatchObject({
      position: last,
      failure: { kind: 'unknown-event' },
    });
  });
});

describe('a replay', () => {
  test('publishes again what came after a position, and leaves the checkpoint', async () => {
    const stores = newStores();
    const bus = memoryMessageBus();
    await append(stores.eventStore, corpus);
    const published = (await take(stores.eventStore))[9]!.position;
    await stores.readStore.commit(PUBLISHER_TABLE, [], published);
    const messages = await all(stores.eventStore);
    const progress: [string, number][] = [];
    const after = (await take(stores.eventStore))[3]!.position;
    await replay({ ...stores, bus }, after, (...done) => progress.push(done));
    expect(bus.published).toEqual(messages.slice(8));
    expect(progress.at(-1)).toEqual([await stores.eventStore.head(), corpus.length - 4]);
    expect(await stores.readStore.checkpoint(PUBLISHER_TABLE)).toBe(published);
    await replay({ ...stores, bus }, undefined, () => undefined);
    expect(bus.published.slice(messages.length - 8)).toEqual(messages);
  });

  test('is refused where the publisher has not come to, and for what is no position of the log', async () => {
    const stores = newStores();
    const bus = memoryMessageBus();
    const first = await append(stores.eventStore, roles(1));
    const second = await append(stores.eventStore, roles(1));
    await stores.readStore.commit(PUBLISHER_TABLE, [], first);
    const replayFrom = (after: string) => replay({ ...stores, bus }, after, () => undefined);
    await expect(replayFrom(second)).rejects.toThrow(`only come to ${first}`);
    for (const wrong of ['0', first.replace(/^./, 'z'), `${first}0`])
      await expect(replayFrom(wrong)).rejects.toThrow(ReplayRefused);
    expect(bus.published).toEqual([]);
    await replayFrom(first);
    expect(bus.published).toHaveLength(2);
  });

  test('of an empty log publishes nothing', async () => {
    const bus = memoryMessageBus();
    await replay({ ...newStores(), bus }, undefined, () => undefined);
    expect(bus.published).toEqual([]);
  });
});
