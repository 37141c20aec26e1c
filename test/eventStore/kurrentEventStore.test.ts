import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { copyLog } from '../../src/transfer/copyLog.ts';
import type { NewEvent, Recorded } from '../../src/event.ts';
import { type EventStore, EventTooLarge, WrongExpectedRevision } from '../../src/eventStore/eventStore.ts';
import { OutcomeUnknown, StoreUnavailable } from '../../src/storage/storeErrors.ts';
import { kurrentEventStore } from '../../src/eventStore/kurrentEventStore.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { openKurrent } from '../../src/eventStore/openKurrent.ts';
import { event, eventStoreContract, metadata, roleIds, take } from '../contracts/eventStore.ts';
import { startCuttableProxy } from '../kurrentDouble/cuttableProxy.ts';
import { type KurrentDouble, startKurrentDouble } from '../kurrentDouble/kurrentDouble.ts';

const newPrefix = (): string => `test-${randomUUID().slice(0, 8)}.`;
const urlOf = (port: number): string => `kurrentdb://127.0.0.1:${port}?tls=false`;
const openAt = (url: string, prefix: string, patience?: number, batchDelay?: number) =>
  kurrentEventStore({ kurrent: openKurrent(url), validate: validateEvent, prefix, patience, batchDelay });
const ids = (events: { id: string }[]): string[] => events.map(({ id }) => id);

/** What holds at any server, each test under a prefix of its own. */
function storesAt(name: string, url: () => string): void {
  eventStoreContract(name, async () => {
    const prefix = newPrefix();
    const [store, other] = await Promise.all([openAt(url(), prefix), openAt(url(), prefix)]);
    return {
      store,
      other,
      async remove() {
        await Promise.all([store.close(), other.close()]);
      },
    };
  });

  describe(`a log among others on ${name}`, () => {
    let prefix: string;
    let store: EventStore;
    let foreign: EventStore;
    beforeEach(async () => {
      prefix = newPrefix();
      [store, foreign] = await Promise.all([openAt(url(), prefix), openAt(url(), newPrefix())]);
    });
    afterEach(() => Promise.all([store.close(), foreign.close()]));
    const append = (to: EventStore, stream: string, ...events: NewEvent[]) =>
      to.append([{ stream, expectedRevision: 'any', events }], metadata);

    test('has one name for all who open it, also at the same time, and another than other logs', async () => {
      const fresh = newPrefix();
      const stores = await Promise.all(Array.from({ length: 4 }, () => openAt(url(), fresh)));
      stores.push(await openAt(url(), fresh));
      expect(new Set(stores.map(({ logId }) => logId)).size).toBe(1);
      expect(stores[0]!.logId).toMatch(/^[0-9a-f]{12}$/);
      expect(stores[0]!.logId).not.toBe(store.logId);
      await Promise.all(stores.map((each) => each.close()));
    });

    test('shows nothing of the others, whose events lie between and after its own', async () => {
      const last = [];
      for (let i = 0; i < 5; i += 1) {
        last.push(await append(store, 's', event(`ours ${i}`)));
        await append(foreign, 's', event(`theirs ${i}`), event(`theirs too ${i}`));
        expect(await store.head()).toBe(last.at(-1)!.position);
      }
      const events = await take(store);
      expect(events.map(({ data }) => data)).toEqual(
        Array.from({ length: 5 }, (_, i) => ({ roleId: `ours ${i}` })),
      );
      const late = await openAt(url(), prefix);
      expect(await late.head()).toBe(events.at(-1)!.position);
      await late.close();
    });

    test('shows nothing of the others backwards either, page by page', async () => {
      for (let i = 0; i < 5; i += 1) {
        await append(foreign, 's', event(`theirs ${i}`), event(`theirs too ${i}`));
        await append(store, 's', event(`ours ${i}`));
      }
      await append(foreign, 's', event('theirs at last'));
      const late = await openAt(url(), prefix);
      const pages: string[][] = [];
      for (let before: string | undefined, isOver = false; !isOver;) {
        const { events, reachesStart } = await late.readLogBackwards({ before, limit: 2 });
        pages.push(roleIds(events));
        before = events.at(-1)!.position;
        isOver = reachesStart;
      }
      expect(pages).toEqual([['ours 4', 'ours 3'], ['ours 2', 'ours 1'], ['ours 0']]);
      const { position: theirs } = (await foreign.readLast('s'))!;
      const between = store.logId + theirs.slice(theirs.indexOf('.'));
      expect(roleIds((await late.readLogBackwards({ before: between, limit: 2 })).events)).toEqual(pages[0]);
      await late.close();
    });

    test('is live, and its position moves on, behind a long row of others’ events', async () => {
      const { position } = await append(store, 's', event());
      for (let i = 0; i < 30; i += 1)
        await append(foreign, `f${i}`, ...Array.from({ length: 100 }, () => event()));
      const done = new AbortController();
      let furthest = '';
      for await (const batch of store.subscribe({ after: position, signal: done.signal })) {
        expect(batch.events).toEqual([]);
        furthest = batch.position;
        if (furthest > position) done.abort();
      }
      expect(await store.head()).toBe(position);
      const { position: next } = await append(store, 's', event());
      expect(next > furthest).toBe(true);
      expect(await take(store, { after: furthest })).toMatchObject([{ position: next }]);
    });

    test('gives an event one position, in the reply, the stream, the log and its head', async () => {
      const streams = ['a', 'b', 'c'];
      for (const stream of streams) {
        const { position } = await append(store, stream, event(), event());
        expect(await store.head()).toBe(position);
        expect((await store.readLast(stream))!.position).toBe(position);
      }
      const writes = streams.map((stream) => ({
        stream,
        expectedRevision: 1,
        events: [event(), event()],
      }));
      const { position } = await store.append(writes, metadata);
      expect(await store.append(writes, metadata)).toEqual({ position });
      const inLog = await take(store);
      const inStreams = await Promise.all(streams.map((stream) => store.read(stream)));
      const byPosition = (one: Recorded, other: Recorded): number => (one.position < other.position ? -1 : 1);
      expect(inStreams.flatMap(({ events }) => events).sort(byPosition)).toEqual(inLog);
      expect(inLog.at(-1)!.position).toBe(position);
      expect(inLog).toHaveLength(12);
    });

    test('takes a copy of a log, with streams that differ in case only, and more at once than fits in one append', async () => {
      const from = foreign;
      for (let i = 0; i < 40; i += 1)
        await append(from, i % 2 ? 'client-A' : 'client-a', event(`${i} ${'x'.repeat(100_000)}`));
      await copyLog({ from, to: store }, { onMatch: () => undefined, onAppended: () => undefined });
      expect(ids(await take(store))).toEqual(ids(await take(from)));
    });

    test('takes a copy of a log with changes in two streams, in one append', async () => {
      for (let i = 0; i < 4; i += 1) await append(foreign, i < 2 ? 'a' : 'b', event());
      const appended: Recorded[] = [];
      await copyLog(
        { from: foreign, to: store },
        { onMatch: () => undefined, onAppended: (last) => void appended.push(last) },
      );
      expect(appended).toHaveLength(1);
      expect(ids(await take(store))).toEqual(ids(await take(foreign)));
    });
  });
}

describe('on the double', () => {
  let double: KurrentDouble;
  beforeAll(async () => {
    double = await startKurrentDouble();
  });
  afterAll(() => double.close());
  storesAt('KurrentDB (its double)', () => urlOf(double.port));

  test('is found by asking for the members of the cluster', async () => {
    const store = await openAt(`kurrentdb+discover://127.0.0.1:${double.port}?tls=false`, newPrefix());
    const { position } = await store.append(
      [{ stream: 's', expectedRevision: 'none', events: [event()] }],
      metadata,
    );
    expect(await store.head()).toBe(position);
    await store.close();
  });
});

describe('a connection to KurrentDB', () => {
  let double: KurrentDouble;
  let proxy: Awaited<ReturnType<typeof startCuttableProxy>>;
  let store: EventStore;
  let prefix: string;
  beforeEach(async () => {
    double = await startKurrentDouble();
    proxy = await startCuttableProxy(double.port);
    prefix = newPrefix();
    store = await openAt(urlOf(proxy.port), prefix, 500);
  });
  afterEach(async () => {
    await store.close();
    await proxy.close();
    double.close();
  });
  const once = (when: 'beforeWrite' | 'beforeReply', what: () => 'silence' | void): void => {
    double.faults[when] = () => {
      double.faults[when] = undefined;
      return what();
    };
  };
  const idsIn = (stream: string): string[] => ids([...double.log.streamOf(prefix + stream)]);

  describe.each(['none', 'any'] as const)('that is cut while %s revision is expected', (expectedRevision) => {
    test('after the write and before the reply, makes one change and one answer', async () => {
      for (const streams of [['s'], ['a', 'b']]) {
        const writes = streams.map((stream) => ({ stream, expectedRevision, events: [event(), event()] }));
        once('beforeReply', proxy.cut);
        const { position } = await store.append(writes, metadata);
        for (const { stream, events } of writes) expect(idsIn(stream)).toEqual(ids(events));
        expect((await take(store)).at(-1)!.position).toBe(position);
      }
    });

    test('after the write, is answered for also when others appended meanwhile', async () => {
      const ours = event();
      once('beforeReply', () => {
        const held = double.log.streamOf(`${prefix}s`)[0]!;
        double.log.append([{ stream: `${prefix}s`, expected: 0, events: [{ ...held, id: randomUUID() }] }]);
        proxy.cut();
      });
      const { position } = await store.append([{ stream: 's', expectedRevision, events: [ours] }], metadata);
      expect((await take(store)).map((each) => [each.id === ours.id, each.position === position])).toEqual([
        [true, true],
        [false, false],
      ]);
    });

    test('before the write, makes one change and one answer', async () => {
      const events = [event()];
      once('beforeWrite', () => {
        proxy.cut();
        return 'silence';
      });
      await store.append([{ stream: 's', expectedRevision, events }], metadata);
      expect(idsIn('s')).toEqual(ids(events));
    });
  });

  test('that falls silent after the write makes one change and one answer', async () => {
    const events = [event()];
    once('beforeReply', () => 'silence');
    await store.append([{ stream: 's', expectedRevision: 'none', events }], metadata);
    expect(idsIn('s')).toEqual(ids(events));
  });

  test('that was cut lets another’s change that came first win', async () => {
    const other = await openAt(urlOf(double.port), prefix);
    const theirs = event();
    let winning: Promise<unknown> | undefined;
    once('beforeWrite', () => {
      winning = other.append([{ stream: 's', expectedRevision: 'none', events: [theirs] }], metadata);
      proxy.cut();
      return 'silence';
    });
    const write = { stream: 's', expectedRevision: 'none' as const, events: [event()] };
    await expect(store.append([write], metadata)).rejects.toThrow(WrongExpectedRevision);
    await winning;
    expect(idsIn('s')).toEqual([theirs.id]);
    await other.close();
  });

  test('that is away shows as StoreUnavailable, when nothing happened, and is used again once it is back', async () => {
    const write = { stream: 's', expectedRevision: 'none' as const, events: [event()] };
    proxy.shut();
    await sleep(100);
    const failures = await Promise.all(
      [store.append([write], metadata), store.read('s'), store.head()].map((each) =>
        each.catch((error: unknown) => error),
      ),
    );
    for (const failure of failures) expect(failure).toBeInstanceOf(StoreUnavailable);
    proxy.open();
    expect(await store.read('s')).toEqual({ events: [], revision: 'none' });
    const { position } = await store.append([write], metadata);
    expect(await store.head()).toBe(position);
  });

  test('that is lost for good after a write does not say that nothing happened', async () => {
    const write = { stream: 's', expectedRevision: 'none' as const, events: [event()] };
    once('beforeReply', proxy.shut);
    await expect(store.append([write], metadata)).rejects.toThrow(OutcomeUnknown);
    proxy.open();
    const { position } = await store.append([write], metadata);
    expect(idsIn('s')).toEqual(ids(write.events));
    expect(await store.head()).toBe(position);
  });

  test('that is cut again and again loses a subscriber nothing and repeats nothing', async () => {
    const COUNT = 400;
    const other = await openAt(urlOf(double.port), prefix);
    const taken = take(store, { count: COUNT });
    for (let i = 0; i < COUNT; i += 1) {
      const expectedRevision = i < 9 ? 'none' : Math.floor(i / 9) - 1;
      await other.append([{ stream: `s${i % 9}`, expectedRevision, events: [event()] }], metadata);
      if (i % 40 === 39) proxy.cut();
      if (i === 150) {
        proxy.shut();
        setTimeout(proxy.open, 300);
      }
      if (i % 20 === 19) await sleep(15);
    }
    expect(ids(await taken)).toEqual(
      ids(double.log.events.filter(({ stream }) => stream.startsWith(prefix))),
    );
    await other.close();
  });

  test('that a slow subscriber reads from is cut without loss in the middle of a long log', async () => {
    for (let i = 0; i < 10; i += 1)
      await store.append(
        [{ stream: `s${i}`, expectedRevision: 'none', events: Array.from({ length: 100 }, () => event()) }],
        metadata,
      );
    const done = new AbortController();
    const seen: string[] = [];
    for await (const batch of store.subscribe({ signal: done.signal })) {
      seen.push(...ids(batch.events));
      if (batch.live) expect(seen).toHaveLength(1000);
      if (seen.length < 700) proxy.cut();
      await sleep(10);
      if (batch.live) done.abort();
    }
    expect(seen).toEqual(ids(double.log.events.filter(({ stream }) => stream.startsWith(prefix))));
  });

  describe('that reads backwards', () => {
    const fill = (to: EventStore, ...roles: string[]) =>
      to.append(
        [{ stream: 's', expectedRevision: 'any', events: roles.map((role) => event(role)) }],
        metadata,
      );

    test.each([0, 1, 3])('reads again when the connection is cut after %d events', async (count) => {
      await fill(store, '0', '1', '2', '3', '4');
      let isCut = false;
      double.faults.duringBackwardsRead = (sent) => {
        if (sent !== count || isCut) return;
        isCut = true;
        proxy.cut();
      };
      const { events, reachesStart } = await store.readLogBackwards({ limit: 10 });
      expect([roleIds(events), reachesStart]).toEqual([['4', '3', '2', '1', '0'], true]);
      expect(isCut).toBe(true);
    });
  });

  describe('with a backlog', () => {
    const COUNT = 1200;
    let other: EventStore;
    /** Its batches are full also on a busy machine, where events come late. */
    let unhurried: EventStore;
    beforeEach(async () => {
      other = await openAt(urlOf(double.port), prefix);
      unhurried = await openAt(urlOf(double.port), prefix, undefined, 2000);
      for (let i = 0; i < COUNT / 100; i += 1) await fill(`s${i}`);
    });
    afterEach(() => Promise.all([other.close(), unhurried.close()]));
    const fill = (stream: string) =>
      other.append(
        [{ stream, expectedRevision: 'none', events: Array.from({ length: 100 }, () => event()) }],
        metadata,
      );
    const all = (): string[] => ids(double.log.events.filter(({ stream }) => stream.startsWith(prefix)));
    /** Follows the log until the batch is live that holds so many events. */
    async function follow(count = COUNT, onBatch: (seen: number) => void = () => undefined) {
      const done = new AbortController();
      const seen: string[] = [];
      for await (const batch of store.subscribe({ signal: done.signal })) {
        seen.push(...ids(batch.events));
        onBatch(seen.length);
        if (batch.live && seen.length >= count) done.abort();
      }
      return seen;
    }

    test('hands it out by one read, and what comes then by a subscription', async () => {
      let late: Promise<unknown> | undefined;
      const seen = await follow(COUNT + 100, (length) => {
        if (length === COUNT) late ??= fill('late');
      });
      expect(seen).toEqual(all());
      expect(double.calls).toMatchObject({ subscriptions: 1, eventsFollowed: 100 });
    });

    test('hands out no batch of the read as live, not even the last one', async () => {
      const done = new AbortController();
      const batches: { events: number; live: boolean }[] = [];
      for await (const { events, live } of unhurried.subscribe({ signal: done.signal })) {
        batches.push({ events: events.length, live });
        if (live) done.abort();
      }
      expect(batches).toEqual([
        { events: 500, live: false },
        { events: 500, live: false },
        { events: 200, live: false },
        { events: 0, live: true },
      ]);
    });

    test.each([0, 1, 500])(
      'goes over to the subscription when the server is silent after %d events, without a new connection',
      async (count) => {
        double.faults.duringLogRead = (sent) => (sent === count ? 'silence' : undefined);
        const opened = proxy.connections();
        expect(await follow()).toEqual(all());
        expect(double.calls.subscriptions).toBe(1);
        // Events on their way to the client when the server falls silent are sent again.
        expect(double.calls.eventsFollowed).toBeGreaterThanOrEqual(COUNT - count);
        expect(double.calls.eventsFollowed).toBeLessThanOrEqual(COUNT - Math.floor(count / 500) * 250);
        expect(proxy.connections()).toBeLessThanOrEqual(opened + 1);
      },
    );

    test('is handed out as far as it has come while the server is silent, and ends when it is told to', async () => {
      double.faults.duringLogRead = (sent) => (sent === 300 ? 'silence' : undefined);
      const done = new AbortController();
      const batches: { isEmpty: boolean; live: boolean }[] = [];
      for await (const { events, live } of unhurried.subscribe({ signal: done.signal })) {
        batches.push({ isEmpty: events.length === 0, live });
        setTimeout(() => done.abort(), 100);
      }
      expect(batches).toEqual([{ isEmpty: false, live: false }]);
      expect(double.calls.subscriptions).toBe(0);
    });

    test.each([0, 1, 500, 777])('goes on when the connection is cut after %d events', async (count) => {
      let isCut = false;
      double.faults.duringLogRead = (sent) => {
        if (sent !== count || isCut) return;
        isCut = true;
        proxy.cut();
      };
      expect(await follow()).toEqual(all());
      expect(isCut).toBe(true);
    });

    test.each(['cut', 'shut'] as const)(
      'goes on when the connection is %s between the read and the subscription',
      async (how) => {
        double.faults.beforeSubscription = () => {
          double.faults.beforeSubscription = undefined;
          proxy[how]();
          setTimeout(proxy.open, 400);
          void fill('late');
        };
        expect(await follow(COUNT + 100)).toEqual(all());
        expect(double.faults.beforeSubscription).toBeUndefined();
      },
    );

    test('goes on when the server is away for a while in the middle', async () => {
      double.faults.duringLogRead = (sent) => {
        if (sent !== 300) return;
        double.faults.duringLogRead = undefined;
        proxy.shut();
        setTimeout(proxy.open, 400);
      };
      expect(await follow()).toEqual(all());
    });

    test('reads no further than the consumer takes, but for what is on its way', async () => {
      const done = new AbortController();
      for await (const { events } of unhurried.subscribe({ signal: done.signal })) {
        expect(events).toHaveLength(500);
        await sleep(100);
        done.abort();
      }
      expect(double.calls).toMatchObject({ subscriptions: 0 });
    });
  });

  test('that falls silent without an end is replaced, and a subscriber goes on where it was', async () => {
    // The client says on the terminal that it would rather ask more seldom.
    const warned = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    const url = `${urlOf(proxy.port)}&keepAliveInterval=300&keepAliveTimeout=200`;
    const follower = await openAt(url, prefix);
    const taken = take(follower, { count: 4 });
    const writer = await openAt(urlOf(double.port), prefix);
    const events = Array.from({ length: 4 }, () => event());
    for (const [i, each] of events.entries()) {
      await writer.append([{ stream: `s${i}`, expectedRevision: 'none', events: [each] }], metadata);
      if (i === 1) await sleep(100);
      if (i === 1) proxy.freeze();
    }
    expect(ids(await taken)).toEqual(ids(events));
    await Promise.all([follower.close(), writer.close()]);
    warned.mockRestore();
  });

  test('ends when it is told to while it is away', async () => {
    const done = new AbortController();
    const taking = (async () => {
      for await (const batch of store.subscribe({ signal: done.signal })) expect(batch.events).toEqual([]);
    })();
    await sleep(100);
    proxy.shut();
    await sleep(100);
    done.abort();
    await taking;
  });
});

describe('an older server', () => {
  test('without an append to several streams refuses a change that needs it, and says so', async () => {
    const double = await startKurrentDouble({ multiStreamAppend: false });
    const store = await openAt(urlOf(double.port), newPrefix());
    const writes = ['a', 'b'].map((stream) => ({
      stream,
      expectedRevision: 'none' as const,
      events: [event()],
    }));
    await expect(store.append(writes, metadata)).rejects.toThrow(/needs a KurrentDB server of version 25\.1/);
    expect(await take(store)).toEqual([]);
    await store.append(writes.slice(0, 1), metadata);
    expect(await take(store)).toHaveLength(1);
    await store.close();
    double.close();
  });

  test.each([{}, { multiStreamAppend: false }])(
    'that takes less than every log may hold in one append refuses more, with its figure: %p',
    async (kind) => {
      const double = await startKurrentDouble({ ...kind, maxAppendSize: 200_000 });
      const store = await openAt(urlOf(double.port), newPrefix());
      const write = { stream: 's', expectedRevision: 'none' as const, events: [event('x'.repeat(200_000))] };
      const refused = store.append([write], metadata);
      await expect(refused).rejects.toThrow(EventTooLarge);
      await expect(refused).rejects.toThrow(
        /larger than the KurrentDB server takes at once: at most 200000 bytes/,
      );
      expect(await take(store)).toEqual([]);
      await store.close();
      double.close();
    },
  );

  test('that tells no positions with a stream’s events is refused', async () => {
    const double = await startKurrentDouble({ positionsInStreams: false });
    const store = await openAt(urlOf(double.port), newPrefix());
    await store.append([{ stream: 's', expectedRevision: 'none', events: [event()] }], metadata);
    await expect(store.read('s')).rejects.toThrow(/22\.6 or newer is needed/);
    await store.close();
    double.close();
  });
});

const real = process.env['KURRENTDB_URL'];
if (real !== undefined) storesAt('KurrentDB', () => real);
