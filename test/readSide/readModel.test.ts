import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Event, Recorded } from '../../src/event.ts';
import { fold, type Projection } from '../../src/projection.ts';
import { draftReadModel, type ReadModel, readModel } from '../../src/readSide/readModel.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import type { Page, ReadStore } from '../../src/readStore/readStore.ts';

type Row = { since: number[] };
type Change = Event<'Added' | 'Removed', { key: string }>;

/** Rows that show each event that made them: one that is missing, or folded in twice, is seen. */
const projection: Projection<Row, Change> = {
  name: 'adding-up',
  version: 1,
  keys: ({ data }) => [data.key],
  on: {
    Added: (row, { revision }) => ({ since: [...(row?.since ?? []), revision] }),
    Removed: () => undefined,
  },
};
const TABLE = 'adding-up-v1';
const KEYS = ['a', 'ab', 'b', 'c'];
const positionOf = (count: number): string => `log.${String(count).padStart(20, '0')}`;
const countOf = (position = positionOf(0)): number => Number(position.slice(4));

/** The event that is the given one of the log. */
function recorded(count: number, { key, type }: { key: string; type: Change['type'] }): Recorded<Change> {
  const metadata = { actor: '', at: '', requestId: '' };
  const position = positionOf(count);
  return { type, data: { key }, id: String(count), stream: key, revision: count, position, metadata };
}

type Step =
  | { do: 'append'; key: string; type: Change['type'] }
  | { do: 'apply'; node: number; events: number }
  | { do: 'get'; node: number; key: string }
  | { do: 'list'; node: number; page: Page }
  | { do: 'lastUpTo'; node: number; prefix: string; key: string }
  | { do: 'write' | 'settle' | 'restart'; node: number }
  | { do: 'rebuild' }
  | { do: 'answer'; calls: number };

const node = fc.constantFrom(0, 1);
const key = fc.constantFrom(...KEYS);
const prefix = fc.constantFrom('', 'a', 'b');
const limit = fc.integer({ min: 1, max: 5 });
const anyBound = fc.constantFrom(...KEYS, 'aa', 'd');
const start = fc.option(anyBound, { nil: undefined });
const page: fc.Arbitrary<Page> = fc.oneof(
  fc.record({ prefix, limit, after: start }),
  fc.record({ prefix, limit, before: start, descending: fc.constant(true as const) }),
);
const type = fc.constantFrom('Added' as const, 'Added' as const, 'Removed' as const);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('append' as const), key, type }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('apply' as const), node, events: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('get' as const), node, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('list' as const), node, page }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lastUpTo' as const), node, prefix, key: anyBound }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('write' as const, 'settle' as const), node }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), node }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rebuild' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('answer' as const), calls: fc.nat(4) }) },
);

/** Two nodes over one store whose calls are carried out, and answered, in an order of the test's choosing. */
class Nodes {
  log: Recorded<Change>[] = [];
  #plain = memoryReadStore();
  #store: ReadStore;
  #scheduler: fc.Scheduler;
  #nodes: Node[];
  #pending = new Set<Promise<unknown>>();

  constructor(scheduler: fc.Scheduler) {
    this.#scheduler = scheduler;
    const plain = this.#plain;
    this.#store = {
      ...plain,
      get: <V>(table: string, of: string) => this.#delayed(() => plain.get<V>(table, of)),
      list: <V>(table: string, page: Page) => this.#delayed(() => plain.list<V>(table, page)),
      commit: (table, rows, position) => this.#delayed(() => plain.commit(table, rows, position)),
      checkpoint: (table) => this.#delayed(() => plain.checkpoint(table)),
    };
    this.#nodes = [new Node(this.#store), new Node(this.#store)];
  }

  async #delayed<T>(call: () => Promise<T>): Promise<T> {
    const answer = await this.#scheduler.scheduleFunction(call)();
    await this.#scheduler.schedule(Promise.resolve());
    return answer;
  }

  /** The row as of each position in a range, the last one included. */
  #rows(of: string, from: number, to: number): (Row | undefined)[] {
    const events = this.log.filter(({ data }) => data.key === of);
    return Array.from({ length: to - from + 1 }, (_, i) =>
      fold(
        projection,
        undefined,
        events.filter(({ position }) => countOf(position) <= from + i),
      ),
    );
  }

  #start(job: Promise<unknown>): void {
    this.#pending.add(job);
    const done = (): void => void this.#pending.delete(job);
    job.then(done, done);
    this.#failures.push(job.then(() => undefined));
  }
  #failures: Promise<void>[] = [];

  async take(next: Step): Promise<void> {
    if (next.do === 'append') this.log.push(recorded(this.log.length + 1, next));
    else if (next.do === 'rebuild') this.#start(this.#rebuild());
    else if (next.do === 'answer') {
      for (let i = 0; i < next.calls && this.#scheduler.count() > 0; i += 1) await this.#scheduler.waitOne();
    } else {
      const at = this.#nodes[next.node]!;
      if (next.do === 'apply') at.apply(this.log, next.events);
      if (next.do === 'get' && at.answers) this.#start(this.#get(at, next.key));
      if (next.do === 'list' && at.answers) this.#start(this.#list(at, next.page));
      if (next.do === 'lastUpTo' && at.answers) this.#start(this.#lastUpTo(at, next));
      if (next.do === 'write') this.#start(at.write());
      if (next.do === 'settle') this.#start(at.settle());
      if (next.do === 'restart') {
        at.retire();
        const again = new Node(this.#store);
        this.#nodes[next.node] = again;
        this.#start(again.load(this.log));
      }
    }
    for (const each of this.#nodes) this.#checkMemory(each);
  }

  #checkMemory(at: Node): void {
    if (!at.answers) return;
    for (const of of KEYS) {
      const row = at.model.inMemory(of);
      if (row) expect(row).toEqual(this.#rows(of, at.count, at.count)[0]);
    }
  }

  async #get(at: Node, of: string): Promise<void> {
    const from = at.count;
    const row = await at.model.get(of).catch(unlessRetired);
    if (row instanceof Retired) return;
    expect(this.#rows(of, from, at.count)).toContainEqual(row);
  }

  async #list(at: Node, page: Page): Promise<void> {
    const { prefix = '', limit, descending = false, after = '', before = '~' } = page;
    const from = at.count;
    const { rows, last } = await at.model.list(page);
    expect(rows.length).toBeLessThanOrEqual(limit);
    const listed = new Map(rows.map(({ key, value }) => [key, value]));
    const isWithin = (of: string): boolean =>
      of.startsWith(prefix) &&
      of > after &&
      of < before &&
      (last === undefined || (descending ? of >= last : of <= last));
    const within = KEYS.filter(isWithin);
    const inOrder = descending ? within.toReversed() : within;
    expect([...listed.keys()]).toEqual(inOrder.filter((of) => listed.has(of)));
    for (const of of within) expect(this.#rows(of, from, this.log.length)).toContainEqual(listed.get(of));
  }

  async #lastUpTo(at: Node, { prefix, key: upTo }: { prefix: string; key: string }): Promise<void> {
    const from = at.count;
    const row = await at.model.lastUpTo({ prefix, key: upTo }).catch(unlessRetired);
    if (row instanceof Retired) return;
    const candidates = KEYS.filter((of) => of.startsWith(prefix) && of <= upTo);
    if (row) {
      expect(candidates).toContain(row.key);
      expect(this.#rows(row.key, from, at.count)).toContainEqual(row.value);
    }
    for (const of of candidates)
      if (!row || of > row.key) expect(this.#rows(of, from, this.log.length)).toContainEqual(undefined);
  }

  async #rebuild(): Promise<void> {
    const model = draftReadModel(projection as never, {
      isNew: true,
      store: { ...this.#plain, commit: this.#store.commit },
    });
    // A table of its own: as rebuild.ts does, but for the name.
    const draft = Object.assign(model, { table: `draft-${this.#failures.length}` });
    const upTo = this.log.length;
    for (const event of this.log.slice(0, upTo)) draft.apply(event);
    await draft.write(positionOf(upTo));
    await this.#scheduler.scheduleFunction(() => this.#plain.replaceTable(draft.table, TABLE))();
  }

  /** Answers whatever is still asked for, while both nodes go on to the end of the log. */
  async finish(): Promise<void> {
    const settle = async (): Promise<void> => {
      while (this.#pending.size > 0) {
        for (const each of this.#nodes) each.apply(this.log, Infinity);
        if (this.#scheduler.count() > 0) await this.#scheduler.waitOne();
        else await turnOfTheLoop();
      }
    };
    await settle();
    await Promise.all(this.#failures);
    for (const each of this.#nodes) each.apply(this.log, Infinity);
    const end = this.log.length;
    const expected = KEYS.map((of) => this.#rows(of, end, end)[0]);
    this.#start(
      (async () => {
        for (const { model } of this.#nodes)
          expect(await Promise.all(KEYS.map((of) => model.get(of)))).toEqual(expected);
        await this.#nodes[0]!.write();
        const stored = await Promise.all(KEYS.map((of) => this.#plain.get<Row>(TABLE, of)));
        expect(stored.map((row) => row?.value)).toEqual(expected);
      })(),
    );
    await settle();
    await Promise.all(this.#failures);
  }
}

class Retired extends Error {}

function unlessRetired(error: unknown): Retired {
  if (error instanceof Retired) return error;
  throw error;
}

/** One node: a read model that follows the log, as the projector has it do. */
class Node {
  model: ReadModel<Row>;
  count = 0;
  /** Whether it has caught up since it started. */
  answers = true;
  #end = 0;
  #isRetired = false;
  #waiting: (() => void)[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(store: ReadStore) {
    this.model = readModel(projection, store, {
      holds: (position) => countOf(position || undefined) <= this.count,
      untilHeld: async (position) => {
        while (countOf(position) > this.count) {
          if (this.#isRetired) throw new Retired();
          await new Promise<void>((resolve) => this.#waiting.push(resolve));
        }
      },
    });
  }

  async load(log: Recorded<Change>[]): Promise<void> {
    this.answers = false;
    this.count = Infinity;
    const from = countOf(await this.model.checkpoint());
    this.count = from;
    this.#end = log.length;
    this.answers = from >= this.#end;
  }

  apply(log: Recorded<Change>[], events: number): void {
    if (this.#isRetired || this.count === Infinity) return;
    for (const event of log.slice(this.count, this.count + events)) this.model.apply(event);
    this.count = Math.min(log.length, this.count + events);
    this.answers ||= this.count >= this.#end;
    this.#wake();
  }

  write(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      if (this.count !== Infinity) await this.model.write(positionOf(this.count));
    });
    return this.#writing;
  }

  settle(): Promise<void> {
    this.#writing = this.#writing.then(async () => this.model.settle((await this.model.checkpoint()) ?? ''));
    return this.#writing;
  }

  /** What it was doing goes on, as in a process that was taken for dead. */
  retire(): void {
    this.#isRetired = true;
    this.#wake();
  }

  #wake(): void {
    const woken = this.#waiting;
    this.#waiting = [];
    for (const wake of woken) wake();
  }
}

const HISTORY_KEYS = ['a', 'a/1', 'a/2', 'a/3', 'ab', 'ab/1', 'b/1', 'b/2', 'c'];
const historyKey = fc.constantFrom(...HISTORY_KEYS);
const historyStep = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('append' as const), key: historyKey, type }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('get' as const), key: historyKey }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('write' as const, 'compare' as const) }) },
);

/** The read model of a node that holds all of the log. */
function aloneOver(store: ReadStore): ReadModel<Row> {
  return readModel(projection, store, { holds: () => true, untilHeld: async () => undefined });
}

async function expectRowsOf(
  model: ReadModel<Row>,
  log: readonly Recorded<Change>[],
  limit: number,
): Promise<void> {
  const expected = HISTORY_KEYS.flatMap((of) => {
    const events = log.filter(({ data }) => data.key === of);
    const value = fold(projection, undefined, events);
    return value ? [{ key: of, value, position: events.at(-1)!.position }] : [];
  }).toReversed();
  for (const prefix of ['', 'a', 'a/', 'b/', 'd']) {
    const within = expected.filter(({ key }) => key.startsWith(prefix));
    for (const key of [...HISTORY_KEYS, '', 'a/10', '~']) {
      const last = within.find((row) => row.key <= key);
      expect({ prefix, key, row: await model.lastUpTo({ prefix, key }) }).toEqual({ prefix, key, row: last });
    }
    const listed: object[] = [];
    let before: string | undefined;
    do {
      const { rows, last } = await model.list({ prefix, before, limit, descending: true });
      listed.push(...rows);
      before = last;
    } while (before !== undefined);
    expect(listed).toEqual(within);
  }
}

describe('a read model', () => {
  test('answers as the log was during the call, whichever node writes the table, however far it is, and in whatever order the store answers', () =>
    fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(step, { minLength: 10, maxLength: 60 }),
        async (scheduler, steps) => {
          const nodes = new Nodes(scheduler);
          for (const each of steps) await nodes.take(each);
          await nodes.finish();
        },
      ),
      { numRuns: 1500 },
    ));

  test('lists in descending order, and finds the last row up to a key, as a fold of the log says, wherever its rows are', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ key: historyKey, type }), { maxLength: 20 }),
        fc.array(historyStep, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 4 }),
        async (inStore, steps, limit) => {
          const store = memoryReadStore();
          const log = inStore.map((change, i) => recorded(i + 1, change));
          const former = aloneOver(store);
          for (const event of log) former.apply(event);
          await former.write(positionOf(log.length));
          const model = aloneOver(store);
          for (const next of [...steps, { do: 'compare' } as const]) {
            if (next.do === 'append') {
              log.push(recorded(log.length + 1, next));
              model.apply(log.at(-1)!);
            }
            if (next.do === 'get') await model.get(next.key);
            if (next.do === 'write') await model.write(positionOf(log.length));
            if (next.do === 'compare') await expectRowsOf(model, log, limit);
          }
        },
      ),
      { numRuns: 200 },
    ));

  test('has no last row where the prefix has no row up to the key', async () => {
    const model = aloneOver(memoryReadStore());
    expect(await model.lastUpTo({ prefix: 'a/', key: 'a/9' })).toBeUndefined();
    model.apply(recorded(1, { key: 'a/2', type: 'Added' }));
    expect(await model.lastUpTo({ prefix: 'a/', key: 'a/1' })).toBeUndefined();
    expect(await model.lastUpTo({ prefix: 'b/', key: 'b/9' })).toBeUndefined();
    expect(await model.lastUpTo({ prefix: 'a/', key: 'a/2' })).toMatchObject({ key: 'a/2' });
  });

  test('does not write rows that never change again', async () => {
    const memory = memoryReadStore();
    const written: string[] = [];
    const store: ReadStore = {
      ...memory,
      commit(table, rows, position) {
        for (const { key } of rows) written.push(key);
        return memory.commit(table, rows, position);
      },
    };
    const constant: Projection<{ there: true }, Change> = {
      ...projection,
      forgetsFormer: true,
      hasConstantRows: true,
      on: { Added: () => ({ there: true }) },
    };
    const model = readModel(constant, store, { holds: () => true, untilHeld: async () => undefined });
    for (const [i, key] of ['a', 'b', 'a', 'c', 'b'].entries()) {
      model.apply(recorded(i + 1, { key, type: 'Added' }));
      await model.write(positionOf(i + 1));
    }
    expect(written).toEqual(['a', 'b', 'c']);
    expect(await memory.checkpoint(model.table)).toBe(positionOf(5));
    expect((await model.list({ limit: 5 })).rows.map(({ key }) => key)).toEqual(['a', 'b', 'c']);
  });

  test('finds the last row below any number of newly removed ones', async () => {
    const store = memoryReadStore();
    const keys = Array.from({ length: 100 }, (_, i) => `a/${String(i).padStart(3, '0')}`);
    const former = aloneOver(store);
    for (const [i, key] of keys.entries()) former.apply(recorded(i + 1, { key, type: 'Added' }));
    await former.write(positionOf(100));
    const model = aloneOver(store);
    for (const [i, key] of keys.slice(1).entries()) model.apply(recorded(i + 101, { key, type: 'Removed' }));
    expect(await model.lastUpTo({ prefix: 'a/', key: 'a/~' })).toMatchObject({ key: 'a/000' });
  });
});
