import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import pino from 'pino';
import type { NewEvent, Recorded } from '../../src/event.ts';
import type { EventStore } from '../../src/eventStore/eventStore.ts';
import { kurrentEventStore } from '../../src/eventStore/kurrentEventStore.ts';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { history } from '../../src/api/auditors/history.ts';
import { makeLongWork } from '../../src/process/longWork.ts';
import { openKurrent } from '../../src/eventStore/openKurrent.ts';
import { clientStream, credentialsStream, ROLES_STREAM } from '../../src/eventStore/streams.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { makeMoments, type Moments } from '../../src/readSide/moments.ts';
import { type Projector, startProjector } from '../../src/readSide/projector.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import { metadata, take } from '../contracts/eventStore.ts';
import { histories } from '../histories.ts';
import { type KurrentDouble, startKurrentDouble } from '../kurrentDouble/kurrentDouble.ts';

const log = pino({ level: 'silent' });
const SINCE = Date.parse('2026-01-01T00:00:00.000Z');
const NOW = new Date('2026-06-01T00:00:00.000Z');
const atMs = (ms: number): string => new Date(SINCE + ms).toJSON();
const newLog = (): EventStore => memoryEventStore({ validate: validateEvent });

/** An event of one of the kinds that a log holds, at a time (ms). */
function eventAt(ms: number, kind: number): { stream: string; event: NewEvent } {
  const [stream, type, data] = [
    [ROLES_STREAM, 'RoleDeleted', { roleId: `r${ms}` }] as const,
    [clientStream('c'), 'ClientDeleted', { clientId: 'c' }] as const,
    [
      credentialsStream('some'),
      'CredentialsIssued',
      { service: 'some', target: 't', expires: atMs(ms) },
    ] as const,
  ][kind % 3]!;
  return { stream, event: { id: randomUUID(), type, data, metadata: { ...metadata, at: atMs(ms) } } };
}

/** Appends events with these times (ms), some hundred at once. */
async function appendAt(eventStore: EventStore, times: readonly number[]): Promise<void> {
  for (let from = 0; from < times.length; from += 400) {
    const writes = times.slice(from, from + 400).map((ms, i) => {
      const { stream, event } = eventAt(ms, from + i);
      return { stream, expectedRevision: 'any' as const, events: [event] };
    });
    await eventStore.append(writes, metadata);
  }
}

async function follow(eventStore: EventStore): Promise<{ projector: Projector; moments: Moments }> {
  const projector = await startProjector({
    eventStore,
    readStore: memoryReadStore(),
    log,
    holder: randomUUID(),
  });
  return { projector, moments: makeMoments({ eventStore, projector }) };
}

/** The last event of the longest beginning of a log whose events all have times up to this one. */
function plainLastUpTo(events: readonly Recorded[], ms: number): Recorded | undefined {
  const later = events.findIndex(({ metadata: { at } }) => Date.parse(at) > SINCE + ms);
  return later < 0 ? events.at(-1) : events[later - 1];
}

/** A stretch of a log: so many events, a step (ms) apart, which begin so far after, or before, the last one. */
const stretch = fc.record({
  count: fc.integer({ min: 1, max: 700 }),
  step: fc.constantFrom(0, 1, 1, 3),
  jump: fc.constantFrom(0, 1, 50, 400, -1, -20, -600),
});
type Stretch = { count: number; step: number; jump: number };

function timesOf(stretches: Stretch[]): number[] {
  let last = 10_000;
  return stretches.flatMap(({ count, step, jump }) => {
    last += jump;
    return Array.from({ length: count }, () => (last += step));
  });
}

test('a time names the longest beginning of a log without a later one, also where times run backwards', async () => {
  const ofAsking = fc.array(fc.record({ at: fc.nat(), off: fc.constantFrom(-1, 0, 1) }), {
    minLength: 20,
    maxLength: 20,
  });
  const anyLog = fc.array(stretch, { minLength: 5, maxLength: 9 });
  await fc.assert(
    fc.asyncProperty(anyLog, fc.nat(), ofAsking, async (stretches, cut, asking) => {
      const times = timesOf(stretches);
      const eventStore = newLog();
      const { projector, moments } = await follow(eventStore);
      const firstPart = cut % times.length;
      // Asked on a part of the log first, whose ranges are kept.
      for (const part of [times.slice(0, firstPart), times.slice(firstPart)]) {
        await appendAt(eventStore, part);
        await projector.waitFor(await eventStore.head());
        const events = await take(eventStore);
        const asked = asking.map(async ({ at, off }) => {
          const ms = (times[at % times.length] ?? 0) + off;
          const time = new Date(SINCE + ms);
          const last = plainLastUpTo(events, ms);
          expect(await moments.atTime(time, NOW)).toEqual({
            position: last?.position ?? eventStore.start,
            at: last?.metadata.at,
            time,
          });
        });
        await Promise.all(asked);
      }
      await projector.stop();
    }),
    histories(8),
  );
}, 100_000);

test('a time is answered rightly while events are appended', async () => {
  const eventStore = newLog();
  const { projector, moments } = await follow(eventStore);
  const times = timesOf(
    Array.from({ length: 12 }, (_, i) => ({ count: 300, step: 1, jump: i % 3 ? 5 : -40 })),
  );
  const appending = (async () => {
    for (let from = 0; from < times.length; from += 50) {
      await appendAt(eventStore, times.slice(from, from + 50));
      await sleep(1);
    }
  })();
  let isOver = false;
  void appending.then(() => (isOver = true));
  const asked: { ms: number; position: string; before: string }[] = [];
  async function ask(i: number): Promise<void> {
    const ms = times[(i * 97) % times.length]!;
    const before = projector.position;
    const { position } = await moments.atTime(new Date(SINCE + ms), NOW);
    asked.push({ ms, position, before });
  }
  for (let i = 0; !isOver; i += 3) await Promise.all([ask(i), ask(i + 1), ask(i + 2)]);
  const events = await take(eventStore);
  for (const { ms, position, before } of asked) {
    // The log may have grown since it was asked; it had come to `before` at least.
    const last = plainLastUpTo(events, ms)?.position ?? eventStore.start;
    expect(position <= last && position >= (last < before ? last : before)).toBe(true);
  }
  await projector.stop();
});

describe('a moment', () => {
  let eventStore: EventStore;
  let projector: Projector;
  let moments: Moments;
  beforeAll(async () => {
    eventStore = newLog();
    await appendAt(eventStore, [100, 300, 200]);
    ({ projector, moments } = await follow(eventStore));
  });
  afterAll(() => projector.stop());

  test('at a position has the time of its event', async () => {
    const events = await take(eventStore);
    for (const { position, metadata: at } of events)
      expect(await moments.atPosition(position)).toEqual({ position, at: at.at, time: new Date(at.at) });
  });

  test('before the first event is the beginning of the log, by its position and by any time before it', async () => {
    const { start } = eventStore;
    expect(await moments.atPosition(start)).toEqual({ position: start, at: undefined, time: new Date(0) });
    for (const ms of [99, 0, -1e12])
      expect(await moments.atTime(new Date(SINCE + ms), NOW)).toMatchObject({
        position: start,
        at: undefined,
      });
  });

  test('is never after an event that is later than its time, although one that is not follows', async () => {
    const [first] = await take(eventStore);
    expect(await moments.atTime(new Date(SINCE + 250), NOW)).toMatchObject({ position: first!.position });
  });

  const refused = { code: 'InvalidRequestArguments' };
  test('is not in the future, of another log, or beyond the end', async () => {
    await expect(moments.atTime(new Date(NOW.getTime() + 1), NOW)).rejects.toMatchObject({
      ...refused,
      message: 'at must not be in the future: it is 2026-06-01T00:00:00.000Z',
    });
    expect((await moments.atTime(NOW, NOW)).position).toBe(await eventStore.head());
    const beyond = `${eventStore.logId}.${'4'.padStart(20, '0')}`;
    await expect(moments.atPosition(beyond)).rejects.toMatchObject({
      ...refused,
      message: `the log has not come to the position ${beyond} in at`,
    });
    for (const other of [newLog().start, 'x', '', '1', beyond.slice(0, -1), `${beyond}0`, `${beyond}\n`])
      await expect(moments.atPosition(other)).rejects.toMatchObject({
        ...refused,
        message: expect.stringMatching(/must be a position of this log, .* or a date with time and zone/),
      });
  });

  test('at a position that this node has not come to yet is waited for', async () => {
    const lagging: EventStore = {
      ...eventStore,
      async *subscribe(options) {
        for await (const batch of eventStore.subscribe(options)) {
          await sleep(50);
          yield batch;
        }
      },
    };
    const late = await follow(lagging);
    await appendAt(eventStore, [400]);
    const { position } = (await eventStore.newest())!;
    expect(late.projector.holds(position)).toBe(false);
    expect(await late.moments.atPosition(position)).toMatchObject({ position, at: atMs(400) });
    expect(late.projector.holds(position)).toBe(true);
    await late.projector.stop();
  });
});

describe('on a shared log', () => {
  let double: KurrentDouble;
  beforeAll(async () => {
    double = await startKurrentDouble();
  });
  afterAll(() => double.close());

  test('positions and times name its own events, and no position between them is one', async () => {
    const open = (prefix: string): Promise<EventStore> =>
      kurrentEventStore({
        kurrent: openKurrent(`kurrentdb://127.0.0.1:${double.port}?tls=false`),
        validate: validateEvent,
        prefix,
      });
    const [ours, theirs] = await Promise.all([open('ours.'), open('theirs.')]);
    for (const ms of [100, 200, 300]) {
      await appendAt(ours, [ms]);
      await appendAt(theirs, [ms + 50]);
    }
    const { projector, moments } = await follow(ours);
    const events = await take(ours);
    for (const [i, ms] of [100, 200, 300].entries())
      for (const off of [0, 60])
        expect(await moments.atTime(new Date(SINCE + ms + off), NOW)).toMatchObject({
          position: events[i]!.position,
          at: atMs(ms),
        });
    const other = (await take(theirs))[1]!.position;
    const between = [
      ours.logId + other.slice(other.indexOf('.')),
      events[1]!.position.replace(/.$/, (last) => String((Number(last) + 1) % 10)),
    ];
    for (const position of between)
      await expect(moments.atPosition(position)).rejects.toMatchObject({
        code: 'InvalidRequestArguments',
        message: `there is no event at the position ${position} in at`,
      });
    const { handle } = history({ eventStore: ours, projector, moments, longWork: makeLongWork({ log }) });
    const ask = (query: object) =>
      handle({
        query,
        params: {},
        caller: { clientId: 'a', scopes: ['*'] },
        origin: {},
        signed: { payload: Buffer.alloc(0) },
      } as never);
    expect(await ask({ from: events[0]!.position, to: events[1]!.position })).toMatchObject({
      body: { entries: [{ position: events[1]!.position }] },
    });
    for (const position of between.filter((each) => each < events[2]!.position))
      for (const name of ['from', 'to'])
        await expect(ask({ [name]: position })).rejects.toMatchObject({
          code: 'InvalidRequestArguments',
          message: `there is no event at the position ${position} in ${name}`,
        });
    await projector.stop();
    await Promise.all([ours.close(), theirs.close()]);
  });
});
