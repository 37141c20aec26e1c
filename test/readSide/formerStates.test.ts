import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import pino from 'pino';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import type { Position } from '../../src/event.ts';
import type { EventStore } from '../../src/eventStore/eventStore.ts';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { makeLongWork } from '../../src/process/longWork.ts';
import { makeFormerStates } from '../../src/readSide/formerStates.ts';
import { makeMoments } from '../../src/readSide/moments.ts';
import { startProjector } from '../../src/readSide/projector.ts';
import { type RoleDefinitions, rolesToExpand, type State } from '../../src/readSide/state.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import type { ReadStore } from '../../src/readStore/readStore.ts';
import { anyHistory, type HistoryStep, historyWriter, plainStateAt } from '../anyHistory.ts';
import { plainExpansion } from '../domain/plainExpansion.ts';
import { histories } from '../histories.ts';
import { inStores } from '../inStores.ts';

const log = pino({ level: 'silent' });
/** Nothing is kept, two moments are, or many. */
const LIMITS = [1, 10_000_000, undefined];

type Stores = { eventStore: EventStore; readStore: ReadStore };

async function startNode({ eventStore, readStore }: Stores, maxBytes?: number) {
  const projector = await startProjector({ eventStore, readStore, log, holder: randomUUID() });
  await projector.untilComplete;
  const formerStates = makeFormerStates({ projector, eventStore, longWork: makeLongWork({ log }), maxBytes });
  const moments = makeMoments({ eventStore, projector });
  return {
    projector,
    stateAt: async (position: Position, caller = 'an auditor') =>
      formerStates(await moments.atPosition(position), { caller }),
  };
}

/** Asks for everything that can be asked of a state. */
async function expectState(state: State, plain: ReturnType<typeof plainStateAt>, held: string[][]) {
  const byId = <T>(all: Map<string, T>): T[] => [...all.keys()].sort().map((id) => all.get(id)!);
  const roles = [...plain.roles.values()];
  for (const scopes of held)
    expect(expansion(await state.rolesReachedBy(scopes), scopes)).toEqual(plainExpansion(roles, scopes));
  for (const id of ['a', 'a/b', 'ab', 'b', 'never'])
    expect(await state.client(id)).toEqual(plain.clients.get(id));
  for (const prefix of [undefined, 'a', 'b!', 'none'])
    for (const limit of [1, 2, 1000])
      expect(await allPages(state, { prefix, limit })).toEqual(
        byId(plain.clients).filter(({ clientId }) => clientId.startsWith(prefix ?? '')),
      );
  for (const { roleId } of roles) expect(await state.role(roleId)).toEqual(plain.roles.get(roleId));
  for (const id of ['a', 'p*', '*', 'never']) expect(await state.role(id)).toEqual(plain.roles.get(id));
  const all = await state.allRoles();
  const ids = all.idsAfter(undefined, Infinity);
  expect(ids.map((id) => all.get(id))).toEqual(byId(plain.roles));
  for (const scopes of held) expect(expansion(all, scopes)).toEqual(plainExpansion(roles, scopes));
}

function expansion(roles: RoleDefinitions, scopes: string[]): readonly string[] {
  return runToCompletion(roles.expandInSlices(scopes, new WorkBudget()));
}

async function allPages(state: State, { prefix, limit }: { prefix?: string; limit: number }) {
  const found = [];
  let after: string | undefined;
  do {
    const { rows, last } = await state.clients({ prefix, after, limit });
    found.push(...rows.map(({ value }) => value));
    after = last;
  } while (after !== undefined);
  return found;
}

type Case = { steps: HistoryStep[]; order: number[]; maxBytes: number | undefined };
const anyCase = (maxLength: number): fc.Arbitrary<Case> =>
  fc.record({
    steps: anyHistory(maxLength),
    order: fc.array(fc.nat(), { minLength: maxLength, maxLength }),
    maxBytes: fc.constantFrom(...LIMITS),
  });

async function tryCase({ steps, order, maxBytes }: Case, stores: Stores): Promise<void> {
  const { write, log: written } = historyWriter(stores.eventStore);
  const node = await startNode(stores, maxBytes);
  const ask = async (at: number, held: string[][]): Promise<void> => {
    const position = written[at]?.position ?? stores.eventStore.start;
    await expectState(await node.stateAt(position), plainStateAt(written, position), held);
  };
  try {
    for (const [i, step] of steps.entries()) {
      const event = await write(step);
      if (event) expect(await node.projector.waitFor(event.position)).toBe(true);
      await ask((order[i]! % (written.length + 1)) - 1, [step.held]);
    }
    const all = written.map((_, i) => i).sort((a, b) => (order[a] ?? 0) - (order[b] ?? 0));
    const held = steps.map((step) => step.held);
    for (const at of all) await ask(at, [held[at]!, held[(at * 7) % held.length]!]);
    // And several callers at the same time, about a moment that nobody asked for before.
    const again = await startNode(stores, maxBytes);
    const last = written.at(-1)?.position ?? stores.eventStore.start;
    await Promise.all(
      held
        .slice(0, 4)
        .map(async (scopes, i) =>
          expectState(await again.stateAt(last, `caller ${i}`), plainStateAt(written, last), [scopes]),
        ),
    );
    await again.projector.stop();
  } finally {
    await node.projector.stop();
  }
}

test('at every position of any history, clients and roles are what a plain fold says, in whatever order they are asked for', async () => {
  await fc.assert(
    fc.asyncProperty(anyCase(16), async (each) => {
      const eventStore = memoryEventStore({ validate: validateEvent });
      await tryCase(each, { eventStore, readStore: memoryReadStore() });
    }),
    histories(30),
  );
}, 150_000);

test('so they are in SQLite', async () => {
  await fc.assert(
    fc.asyncProperty(anyCase(16), async (each) => {
      const DATA_DIR = mkdtempSync(join(tmpdir(), 'authledger-test-'));
      try {
        await inStores({ DATA_DIR }, (stores) => tryCase(each, stores));
      } finally {
        rmSync(DATA_DIR, { recursive: true });
      }
    }),
    { ...histories(5), numRuns: 5 },
  );
}, 100_000);

test('what is kept of a moment counts what is added to it later', async () => {
  const eventStore = memoryEventStore({ validate: validateEvent });
  const plain = memoryReadStore();
  let lists = 0;
  const readStore: ReadStore = { ...plain, list: (...page) => ((lists += 1), plain.list(...page)) };
  const { write, log: written } = historyWriter(eventStore);
  const rest = { isImported: false, expires: null, minute: 0, held: [] };
  await write({ roleId: 'small', scopes: ['x'], ...rest });
  for (let i = 0; i < 30; i += 1)
    await write({ roleId: `large${i}`, scopes: [String(i) + 'x'.repeat(100_000)], ...rest });
  // Room for the small role, and not for the large ones, of 200 KB each.
  const { projector, stateAt } = await startNode({ eventStore, readStore }, 6_000_000);
  const state = await stateAt(written.at(-1)!.position);
  const readsFor = async (scope: string): Promise<number> => {
    const before = lists;
    await state.rolesReachedBy([scope]);
    return lists - before;
  };
  expect(await readsFor('assume:small')).toBeGreaterThan(0);
  expect(await readsFor('assume:small')).toBe(0);
  expect(await readsFor('assume:large*')).toBeGreaterThan(0);
  expect(await readsFor('assume:large*')).toBeGreaterThan(0);
  expect(await readsFor('assume:small')).toBeGreaterThan(0);
  expect(await readsFor('assume:small')).toBe(0);
  // Whoever has all scopes needs no role.
  const roles = await rolesToExpand(state, [['*'], ['assume:small']]);
  expect(roles.get('large0')).toBeUndefined();
  expect(expansion(roles, ['*'])).toEqual(['*']);
  expect(expansion(roles, ['assume:small'])).toEqual(['assume:small', 'x']);
  await projector.stop();
});

test('a page of large clients of the past ends at a size, as one of the present does', async () => {
  const eventStore = memoryEventStore({ validate: validateEvent });
  const { write, log: written } = historyWriter(eventStore);
  const { projector, stateAt } = await startNode({ eventStore, readStore: memoryReadStore() });
  const step = { does: 'update' as const, isImported: false, expires: null, minute: 0, held: [] };
  for (const clientId of ['a', 'b', 'c', 'd', 'e'])
    await write({ ...step, clientId, scopes: ['x'.repeat(400_000)] });
  const { position } = written.at(-1)!;
  for (const clientId of ['a', 'b', 'c', 'd', 'e']) await write({ ...step, clientId, scopes: [] });
  const state = await stateAt(position);
  const first = await state.clients({ limit: 1000 });
  expect(first.rows.map(({ key }) => key)).toEqual(['a', 'b']);
  expect((await allPages(state, { limit: 1000 })).map(({ scopes }) => scopes[0]!.length)).toEqual(
    Array(5).fill(400_000),
  );
  await projector.stop();
});
