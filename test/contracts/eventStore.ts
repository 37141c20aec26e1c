import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Metadata, NewEvent, Recorded } from '../../src/event.ts';
import {
  type BackwardsPage,
  type Batch,
  type EventStore,
  EventTooLarge,
  InvalidEvent,
  WrongExpectedRevision,
} from '../../src/eventStore/eventStore.ts';
import { UnknownPosition } from '../../src/eventStore/position.ts';
import { upcasting } from '../../src/eventStore/upcasting.ts';

export type Opened = {
  store: EventStore;
  /** A second handle on the same log, as another process would have it; undefined where there can be none. */
  other?: EventStore;
  remove(): Promise<void>;
};

export const metadata: Metadata = { actor: 'a test', at: '2026-01-01T00:00:00.000Z', requestId: 'a request' };

export function event(roleId = 'a role', id: string = randomUUID()): NewEvent {
  return { id, type: 'RoleDeleted', data: { roleId } };
}

/** Reads a subscription until it has so many events, or until it is live where no number is given. */
export async function take(
  store: EventStore,
  options: { after?: string; count?: number } = {},
): Promise<Recorded[]> {
  const done = new AbortController();
  const events: Recorded[] = [];
  for await (const batch of store.subscribe({ after: options.after, signal: done.signal })) {
    events.push(...batch.events);
    if (options.count === undefined ? batch.live : events.length >= options.count) done.abort();
  }
  return events;
}

/** The ids of roles in events. */
export const roleIds = (events: Recorded[]): string[] =>
  events.map(({ data }) => (data as { roleId: string }).roleId);

/** What every event store does. */
export function eventStoreContract(name: string, open: () => Promise<Opened>): void {
  describe(`event store contract: ${name}`, () => {
    let opened: Opened;
    let store: EventStore;
    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened.remove());

    const append = (stream: string, expectedRevision: number | 'none' | 'any', ...events: NewEvent[]) =>
      store.append([{ stream, expectedRevision, events }], metadata);

    describe('append', () => {
      test('appends events to a stream unchanged', async () => {
        const [one, two] = [event('one'), event('two')];
        await append('s', 'none', one);
        const { position } = await append('s', 0, two);
        const { events, revision } = await store.read('s');
        expect(revision).toBe(1);
        expect(events).toMatchObject([
          { ...one, stream: 's', revision: 0, metadata },
          { ...two, stream: 's', revision: 1, metadata, position },
        ]);
      });

      test('is read from a revision on, so many events at a time', async () => {
        await append('s', 'none', event('0'), event('1'), event('2'));
        const { events, revision } = await store.read('s', { fromRevision: 1, limit: 1 });
        expect(events.map((each) => each.revision)).toEqual([1]);
        expect(revision).toBe(2);
        expect(await store.read('s', { fromRevision: 3, limit: 1 })).toEqual({ events: [], revision: 2 });
      });

      test('gives positions that sort as text in the order of the log', async () => {
        const positions = [store.start];
        for (let i = 0; i < 12; i += 1) positions.push((await append(`s${i}`, 'any', event())).position);
        expect(positions.toSorted()).toEqual(positions);
        expect(new Set(positions).size).toBe(13);
        for (const position of positions) expect(position).toMatch(new RegExp(`^${store.logId}\\.[0-9]+$`));
      });

      test('refuses another revision than expected, naming the stream, and adds nothing', async () => {
        await append('s', 'none', event());
        for (const expected of ['none', 1, 7] as const) {
          const refused = append('s', expected, event());
          await expect(refused).rejects.toThrow(WrongExpectedRevision);
          await expect(refused).rejects.toMatchObject({ stream: 's', expected, actual: 0 });
        }
        await expect(append('empty', 0, event())).rejects.toMatchObject({ actual: 'none' });
        expect((await store.read('s')).events).toHaveLength(1);
      });

      test('takes any revision where it does not matter', async () => {
        await append('s', 'any', event());
        await append('s', 'any', event());
        expect((await store.read('s')).revision).toBe(1);
      });

      test('lets one of many win at the same revision', async () => {
        const outcomes = await Promise.allSettled(
          Array.from({ length: 10 }, () => append('s', 'none', event())),
        );
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        expect((await store.read('s')).events).toHaveLength(1);
      });

      test('changes several streams, or none of them', async () => {
        await append('b', 'none', event());
        const writes = (revision: 'none' | 0) => [
          { stream: 'a', expectedRevision: 'none' as const, events: [event(), event()] },
          { stream: 'b', expectedRevision: revision, events: [event()] },
        ];
        await expect(store.append(writes('none'), metadata)).rejects.toMatchObject({ stream: 'b' });
        expect((await store.read('a')).revision).toBe('none');
        const { position } = await store.append(writes(0), metadata);
        expect((await store.read('a')).revision).toBe(1);
        expect((await store.readLast('b'))!.position).toBe(position);
        expect(await store.head()).toBe(position);
      });

      test('says yes again, and adds nothing, when a try whose reply was lost is repeated', async () => {
        const events = [event(), event()];
        const { position } = await append('s', 'none', ...events);
        await append('s', 1, event());
        expect(await append('s', 'none', ...events)).toEqual({ position });
        expect(await append('s', 'any', ...events)).toEqual({ position });
        expect((await store.read('s')).events).toHaveLength(3);
        await expect(append('s', 'none', events[0]!, event())).rejects.toThrow(WrongExpectedRevision);
      });

      test('says yes again for several streams too, and adds only what is missing', async () => {
        const [a, b] = [event(), event()];
        await append('a', 'none', a);
        const writes = [
          { stream: 'a', expectedRevision: 'none' as const, events: [a] },
          { stream: 'b', expectedRevision: 'none' as const, events: [b] },
        ];
        const { position } = await store.append(writes, metadata);
        await append('a', 0, event());
        expect(await store.append(writes, metadata)).toEqual({ position });
        expect((await store.readLast('b'))!.position).toBe(position);
        expect((await store.read('a')).revision).toBe(1);
      });

      test('refuses an event that its schema does not know, or that does not match it', async () => {
        await expect(append('s', 'none', { id: randomUUID(), type: 'Unheard', data: {} })).rejects.toThrow(
          InvalidEvent,
        );
        await expect(
          append('s', 'none', { id: randomUUID(), type: 'RoleDeleted', data: {} }),
        ).rejects.toThrow(InvalidEvent);
        expect((await store.read('s')).revision).toBe('none');
      });

      test('refuses an event of more than 900 KiB', async () => {
        await expect(append('s', 'none', event('x'.repeat(900 * 1024)))).rejects.toThrow(EventTooLarge);
        await append('s', 'none', event('x'.repeat(899 * 1024)));
      });

      test('refuses events that are together, with 256 bytes for each, more than 1 MiB', async () => {
        const own = Buffer.byteLength(JSON.stringify([metadata, event('').data])) - '[,]'.length;
        /** An event that counts so many bytes. */
        const eventOf = (bytes: number): NewEvent => event('x'.repeat(bytes - own - 256));
        const quarter = 256 * 1024;
        const tooMany = () => [quarter, quarter, quarter, quarter + 1].map(eventOf);
        const words =
          'the events of one change would be 1048577 bytes long together; at most 1048576 are possible';
        await expect(append('s', 'none', ...tooMany())).rejects.toThrow(new EventTooLarge(words));
        const inTwo = ['s', 't'].map((stream, i) => ({
          stream,
          expectedRevision: 'none' as const,
          events: tooMany().slice(2 * i, 2 * i + 2),
        }));
        await expect(store.append(inTwo, metadata)).rejects.toThrow(new EventTooLarge(words));
        expect(await take(store)).toEqual([]);
        await append('s', 'none', ...tooMany().slice(0, 3), eventOf(quarter));
      });
    });

    describe('read', () => {
      test('begins at a revision', async () => {
        await append('s', 'none', event('0'), event('1'), event('2'));
        const { events, revision } = await store.read('s', { fromRevision: 1 });
        expect(events.map((each) => each.revision)).toEqual([1, 2]);
        expect(revision).toBe(2);
        expect(await store.read('s', { fromRevision: 3 })).toEqual({ events: [], revision: 2 });
      });

      test('returns large events in pages, up to the last one', async () => {
        const ids = ['0', '1', '2', '3', '4', '5', '6'].map((digit) => digit.repeat(400_000));
        for (const id of ids) await append('s', 'any', event(id));
        const parts: number[] = [];
        const read: string[] = [];
        for (let fromRevision = 0; fromRevision < 7; fromRevision = read.length) {
          const { events, revision } = await store.read('s', { fromRevision });
          expect(revision).toBe(6);
          parts.push(events.length);
          read.push(...events.map(({ data }) => (data as { roleId: string }).roleId));
        }
        expect(read).toEqual(ids);
        expect(parts.length).toBeGreaterThan(1);
        expect(Math.min(...parts)).toBeGreaterThan(0);
      });

      test('knows nothing of a stream without events', async () => {
        expect(await store.read('nothing')).toEqual({ events: [], revision: 'none' });
        expect(await store.readLast('nothing')).toBeUndefined();
      });

      test('finds the last event', async () => {
        await append('s', 'none', event('first'), event('last'));
        expect(await store.readLast('s')).toMatchObject({ data: { roleId: 'last' }, revision: 1 });
      });
    });

    /** Reads pages backwards, each before the oldest event of the one before it, until one reaches the start. */
    async function pagesBackwards(
      readBefore: (oldest: Recorded | undefined) => Promise<BackwardsPage>,
      between: () => Promise<unknown> = async () => undefined,
    ): Promise<Recorded[][]> {
      const pages: Recorded[][] = [];
      for (;;) {
        const { events, reachesStart } = await readBefore(pages.at(-1)?.at(-1));
        pages.push(events);
        if (reachesStart) return pages;
        expect(events.length).toBeGreaterThan(0);
        await between();
      }
    }

    const large = ['0', '1', '2', '3', '4', '5', '6'].map((digit) => digit.repeat(400_000));

    describe('a stream that is read up to a position', () => {
      const pagesUpTo = async (upTo: string, limit = 10) => {
        const pages: Recorded[][] = [];
        for (let fromRevision = 0; ;) {
          const { events, reachesEnd } = await store.readUpTo('s', { upTo, fromRevision, limit });
          pages.push(events);
          if (reachesEnd) return pages;
          expect(events.length).toBeGreaterThan(0);
          fromRevision += events.length;
        }
      };

      test('has its events up to each position, also within one append', async () => {
        await append('other', 'none', event('of another stream'));
        await append('s', 'none', event('0'), event('1'));
        await append('other', 0, event('of another stream'));
        await append('s', 1, event('2'), event('3'), event('4'));
        const { events } = await store.read('s');
        const inOrder = await take(store);
        for (const upTo of [store.start, ...inOrder.map(({ position }) => position)])
          for (const limit of [1, 2, 3, 5, 10]) {
            const pages = await pagesUpTo(upTo, limit);
            expect(pages.flat()).toEqual(events.filter(({ position }) => position <= upTo));
            expect(Math.max(...pages.map(({ length }) => length))).toBeLessThanOrEqual(limit);
          }
      });

      test('has nothing where the stream has no event', async () => {
        const { position } = await append('other', 'none', event());
        const upTo = { upTo: position, limit: 10 };
        expect(await store.readUpTo('s', upTo)).toEqual({ events: [], reachesEnd: true });
        expect(await store.readUpTo('other', { ...upTo, fromRevision: 1 })).toEqual({
          events: [],
          reachesEnd: true,
        });
      });

      test('returns large events in shorter pages', async () => {
        for (const roleId of large) await append('s', 'any', event(roleId));
        const { events } = await store.read('s', { fromRevision: 5, limit: 1 });
        const pages = await pagesUpTo(events[0]!.position);
        expect(roleIds(pages.flat())).toEqual(large.slice(0, 6));
        expect(pages.length).toBeGreaterThan(1);
      });

      test('refuses another log’s position', async () => {
        const upTo = `000000000000.${store.start.split('.')[1]}`;
        await expect(store.readUpTo('s', { upTo, limit: 1 })).rejects.toThrow(UnknownPosition);
      });
    });

    describe('a stream that is read backwards', () => {
      const readBackwards = (beforeRevision: number | undefined, limit = 10) =>
        store.readBackwards('s', { beforeRevision, limit });

      test('begins with the newest event, and ends at the limit or at the start', async () => {
        await append('other', 'none', event('of another stream'));
        await append('s', 'none', event('0'), event('1'));
        await append('s', 1, event('2'));
        const { events, reachesStart } = await readBackwards(undefined);
        expect(events).toEqual((await store.read('s')).events.toReversed());
        expect(reachesStart).toBe(true);
        const newest = await readBackwards(undefined, 2);
        expect([roleIds(newest.events), newest.reachesStart]).toEqual([['2', '1'], false]);
        expect(await readBackwards(undefined, 3)).toMatchObject({ reachesStart: true });
      });

      test('ends before a revision', async () => {
        await append('s', 'none', event('0'), event('1'), event('2'));
        const revisionsBefore = async (revision: number) =>
          (await readBackwards(revision)).events.map((each) => each.revision);
        expect(await revisionsBefore(2)).toEqual([1, 0]);
        expect(await revisionsBefore(3)).toEqual([2, 1, 0]);
        expect(await readBackwards(0)).toEqual({ events: [], reachesStart: true });
      });

      test('has nothing where the stream has no event', async () => {
        for (const revision of [undefined, 0, 5])
          expect(await readBackwards(revision)).toEqual({ events: [], reachesStart: true });
      });

      test('goes on without gap or repetition while events are appended', async () => {
        for (let i = 0; i < 7; i += 1) await append('s', 'any', event(`${i}`));
        const pages = await pagesBackwards(
          (oldest) => readBackwards(oldest?.revision, 3),
          () => append('s', 'any', event('late')),
        );
        expect(pages.map(roleIds)).toEqual([['6', '5', '4'], ['3', '2', '1'], ['0']]);
      });

      test('returns large events in shorter pages', async () => {
        for (const roleId of large) await append('s', 'any', event(roleId));
        const pages = await pagesBackwards((oldest) => readBackwards(oldest?.revision));
        expect(roleIds(pages.flat())).toEqual(large.toReversed());
        expect(pages.length).toBeGreaterThan(1);
      });
    });

    describe('the log that is read backwards', () => {
      const readBefore = (before?: string, limit = 10) => store.readLogBackwards({ before, limit });

      test('has nothing while it is empty, and before its start', async () => {
        expect(await readBefore()).toEqual({ events: [], reachesStart: true });
        expect(await readBefore(store.start)).toEqual({ events: [], reachesStart: true });
        const { position } = await append('s', 'none', event());
        for (const before of [store.start, position])
          expect(await readBefore(before)).toEqual({ events: [], reachesStart: true });
      });

      test('begins with the newest event, across streams, and ends at the limit or at the start', async () => {
        for (let i = 0; i < 6; i += 1) await append(`s${i % 2}`, 'any', event(`${i}`));
        const { events, reachesStart } = await readBefore();
        expect(events).toEqual((await take(store)).toReversed());
        expect(reachesStart).toBe(true);
        const newest = await readBefore(undefined, 4);
        expect([roleIds(newest.events), newest.reachesStart]).toEqual([['5', '4', '3', '2'], false]);
        expect(await readBefore(undefined, 1)).toMatchObject({ events: [events[0]], reachesStart: false });
        expect(await readBefore(undefined, 6)).toMatchObject({ reachesStart: true });
      });

      test('ends before a position, also within one append', async () => {
        await append('a', 'none', event('0'));
        await append('a', 0, event('1'), event('2'));
        const writes = ['b', 'c'].map((stream) => ({
          stream,
          expectedRevision: 'none' as const,
          events: [event(`${stream}0`), event(`${stream}1`)],
        }));
        await store.append(writes, metadata);
        const inOrder = await take(store);
        for (const [i, { position }] of inOrder.entries()) {
          expect((await readBefore(position)).events).toEqual(inOrder.slice(0, i).toReversed());
          const last = i > 0 ? [inOrder[i - 1]] : [];
          expect(await readBefore(position, 1)).toEqual({ events: last, reachesStart: i <= 1 });
        }
      });

      test('is all there before a position that is to come', async () => {
        await append('s', 'none', event('0'), event('1'));
        const digits = store.start.replace(/^.*\./, '');
        const toCome = `${store.logId}.${'9'.repeat(digits.length)}`;
        for (let i = 0; i < 2; i += 1) {
          expect(await readBefore(toCome)).toMatchObject({ reachesStart: true });
          expect(roleIds((await readBefore(toCome)).events).slice(-2)).toEqual(['1', '0']);
          await append('s', 'any', event('2'));
        }
      });

      test('goes on without gap or repetition while events are appended', async () => {
        for (let i = 0; i < 7; i += 1) await append(`s${i % 3}`, 'any', event(`${i}`));
        const pages = await pagesBackwards(
          (oldest) => readBefore(oldest?.position, 3),
          () => append('s', 'any', event('late')),
        );
        expect(pages.map(roleIds)).toEqual([['6', '5', '4'], ['3', '2', '1'], ['0']]);
      });

      test('returns large events in shorter pages', async () => {
        for (const [i, roleId] of large.entries()) await append(`s${i % 2}`, 'any', event(roleId));
        const pages = await pagesBackwards((oldest) => readBefore(oldest?.position));
        expect(roleIds(pages.flat())).toEqual(large.toReversed());
        expect(pages.length).toBeGreaterThan(1);
      });

      test('refuses another log’s position', async () => {
        await append('s', 'none', event());
        const digits = store.start.replace(/^.*\./, '');
        for (const logId of ['000000000000', 'ffffffffffff'])
          await expect(readBefore(`${logId}.${digits}`)).rejects.toThrow(UnknownPosition);
      });

      test('shows what another process appended', async () => {
        const { other } = opened;
        if (!other) return;
        await append('s', 'none', event('0'));
        expect(roleIds((await readBefore()).events)).toEqual(['0']);
        await other.append([{ stream: 's', expectedRevision: 0, events: [event('1')] }], metadata);
        expect(roleIds((await readBefore()).events)).toEqual(['1', '0']);
      });
    });

    describe('an event that holds what this release would not write', () => {
      const given = { id: randomUUID(), type: 'RoleCreated' };
      const data = { roleId: 'r', description: 'cut \ud83d, \0 and 😀', scopes: ['a'] };
      const shown = { ...given, data: { ...data, description: 'cut \ufffd, \ufffd and 😀' } };

      test('is kept as it was given, alone or with others', async () => {
        await append('s', 'none', { ...given, data });
        const writes = ['a', 'b'].map((stream) => ({
          stream,
          expectedRevision: 'none' as const,
          events: [{ ...given, id: randomUUID(), data }],
        }));
        await store.append(writes, metadata);
        for (const stream of ['s', 'a', 'b']) expect((await store.readLast(stream))!.data).toEqual(data);
      });

      test('is read as this release would have written it, however it is read', async () => {
        await append('s', 'none', { ...given, data }, event());
        await append('t', 'none', { ...given, id: randomUUID(), data });
        const log = upcasting(store);
        const { events, revision } = await log.read('s', { fromRevision: 0, limit: 1 });
        expect({ events, revision }).toMatchObject({ events: [{ ...shown, stream: 's' }], revision: 1 });
        expect((await log.readLast('t'))!.data).toEqual(shown.data);
        expect((await log.newest())!.data).toEqual(shown.data);
        expect((await log.eventAt((await log.newest())!.position))!.data).toEqual(shown.data);
        const upTo = await log.head();
        expect(await log.readUpTo('t', { upTo, limit: 1 })).toMatchObject({ events: [{ data: shown.data }] });
        expect(await log.readBackwards('t', { limit: 1 })).toMatchObject({ events: [{ data: shown.data }] });
        expect(await log.readLogBackwards({ limit: 1 })).toMatchObject({ events: [{ data: shown.data }] });
        expect(await log.readLast('nothing')).toBeUndefined();
        expect(await take(log)).toMatchObject([shown, { type: 'RoleDeleted' }, { data: shown.data }]);
        const { position } = (await log.read('s')).events[1]!;
        expect(await take(log, { after: position })).toMatchObject([{ stream: 't', data: shown.data }]);
      });
    });

    describe('subscribe', () => {
      test('an empty log is live at once, with nothing in it', async () => {
        expect(await take(store)).toEqual([]);
        expect(await store.head()).toBe(store.start);
        expect(await store.newest()).toBeUndefined();
      });

      test('yields every event once, in the order of the log, across streams', async () => {
        for (let i = 0; i < 30; i += 1) await append(`s${i % 4}`, 'any', event(`r${i}`), event(`q${i}`));
        const events = await take(store);
        expect(events.map(({ data }) => (data as { roleId: string }).roleId)).toEqual(
          Array.from({ length: 30 }, (_, i) => [`r${i}`, `q${i}`]).flat(),
        );
        expect(events.at(-1)!.position).toBe(await store.head());
        expect(await store.newest()).toEqual(events.at(-1));
        expect(await store.eventAt(events[7]!.position)).toEqual(events[7]);
        expect(await store.eventAt(store.start)).toBeUndefined();
        await expect(store.eventAt(`000000000000.${store.start.split('.')[1]}`)).rejects.toThrow(
          UnknownPosition,
        );
      });

      test('begins after a position', async () => {
        await append('s', 'any', event('before'));
        const { position } = await append('s', 'any', event('at'));
        await append('s', 'any', event('after'));
        expect(await take(store, { after: position })).toMatchObject([{ data: { roleId: 'after' } }]);
      });

      test('refuses another log’s position', async () => {
        await append('s', 'none', event());
        const digits = store.start.replace(/^.*\./, '');
        for (const logId of ['000000000000', 'ffffffffffff'])
          await expect(take(store, { after: `${logId}.${digits}` })).rejects.toThrow(UnknownPosition);
      });

      test('continues with what is appended meanwhile, and misses nothing', async () => {
        const taken = take(store, { count: 120 });
        const appends = Array.from({ length: 120 }, (_, i) => append(`s${i % 7}`, 'any', event(`r${i}`)));
        await Promise.all(appends);
        const positions = (await taken).map(({ position }) => position);
        expect(positions.toSorted()).toEqual(positions);
        expect(new Set(positions).size).toBe(120);
      });

      test('continues over large events', async () => {
        const ids = ['0', '1', '2', '3', '4', '5', '6'].map((digit) => digit.repeat(400_000));
        for (const id of ids) await append('s', 'any', event(id));
        const events = await take(store);
        expect(events.map(({ data }) => (data as { roleId: string }).roleId)).toEqual(ids);
      });

      test('reads no further batch before the one was handled, and says when it is live', async () => {
        await append('s', 'any', event());
        const done = new AbortController();
        const batches: Batch[] = [];
        for await (const batch of store.subscribe({ signal: done.signal })) {
          batches.push(batch);
          if (batches.length === 1) await append('s', 'any', event());
          if (batch.position === (await store.head()) && batch.live) done.abort();
        }
        expect(batches.flatMap(({ events }) => events)).toHaveLength(2);
        expect(batches.at(-1)!.live).toBe(true);
      });

      test('ends without an error when the signal aborts', async () => {
        const done = new AbortController();
        let batches = 0;
        for await (const batch of store.subscribe({ signal: done.signal })) {
          batches += batch.live ? 1 : 0;
          setTimeout(() => done.abort(), 20);
        }
        expect(batches).toBeGreaterThan(0);
      });

      test('sees what another process appends', async () => {
        const { other } = opened;
        if (!other) return;
        const taken = take(store, { count: 5 });
        for (let i = 0; i < 5; i += 1)
          await other.append([{ stream: 's', expectedRevision: 'any', events: [event()] }], metadata);
        expect(await taken).toHaveLength(5);
        expect(await store.head()).toBe(await other.head());
      });
    });

    test('a probe leaves no trace in the log', async () => {
      await store.probe();
      expect([await store.head(), await take(store)]).toEqual([store.start, []]);
      const { position } = await append('s', 'none', event());
      await Promise.all([store.probe(), store.probe()]);
      expect(await store.head()).toBe(position);
      expect(await take(store)).toHaveLength(1);
      await append('s', 0, event());
    });

    test('two processes that append at the same time lose and repeat nothing', async () => {
      const { other } = opened;
      if (!other) return;
      const outcomes = await Promise.allSettled(
        Array.from({ length: 40 }, (_, i) =>
          (i % 2 ? store : other).append(
            [{ stream: 's', expectedRevision: i % 3 ? 'any' : 0, events: [event()] }],
            metadata,
          ),
        ),
      );
      const won = outcomes.filter(({ status }) => status === 'fulfilled').length;
      const { events } = await other.read('s');
      expect(events.map(({ revision }) => revision)).toEqual(Array.from({ length: won }, (_, i) => i));
    });

    test('any history of appends is kept as a plain list would keep it', async () => {
      const write = fc.record({
        stream: fc.constantFrom('a', 'b'),
        expected: fc.constantFrom<'none' | 'any' | number>('none', 'any', 0, 1, 2),
        count: fc.integer({ min: 1, max: 3 }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(write, { maxLength: 8 }), async (writes) => {
          const fresh = await open();
          try {
            const plain: Record<string, string[]> = { a: [], b: [] };
            for (const { stream, expected, count } of writes) {
              const ids = plain[stream]!;
              const fits = expected === 'any' || expected === (ids.length === 0 ? 'none' : ids.length - 1);
              const events = Array.from({ length: count }, () => event());
              const outcome = await fresh.store
                .append([{ stream, expectedRevision: expected, events }], metadata)
                .catch((error: unknown) => error);
              expect(outcome instanceof WrongExpectedRevision).toBe(!fits);
              if (fits) ids.push(...events.map(({ id }) => id));
            }
            for (const [stream, ids] of Object.entries(plain)) {
              expect((await fresh.store.read(stream)).events.map(({ id }) => id)).toEqual(ids);
            }
          } finally {
            await fresh.remove();
          }
        }),
        { numRuns: 15 },
      );
    });
  });
}
