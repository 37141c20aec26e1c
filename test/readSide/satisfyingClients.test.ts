import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import pino from 'pino';
import { goalOf, Holders } from '../../src/domain/holders.ts';
import type { ConcreteExpression } from '../../src/domain/scopeExpression.ts';
import { satisfies } from '../../src/domain/scopes.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import type { EventStore } from '../../src/eventStore/eventStore.ts';
import { MANY_SCOPES } from '../../projections/clientScopes.ts';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { makeLongWork } from '../../src/process/longWork.ts';
import { makeFormerStates } from '../../src/readSide/formerStates.ts';
import { INDEX_SIZES } from '../../src/readSide/clientsGiven.ts';
import { type Projector, startProjector } from '../../src/readSide/projector.ts';
import { makeFindClients } from '../../src/readSide/satisfyingClients.ts';
import { presentState, type State } from '../../src/readSide/state.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import { type PlainRole, plainExpansion } from '../domain/plainExpansion.ts';
import { histories } from '../histories.ts';

const log = pino({ level: 'silent' });
const NOW = new Date('2030-06-01T00:00:00Z');
const metadata = { actor: 'static/root', at: NOW.toJSON(), requestId: 'r' };
const OWNER = { caller: 'auditor' };

/** So large that the index has one row for all their scopes. */
const LARGE = new Set(['c/3', 'c/11', 'c/27']);
const OTHER_SCOPES = Array.from({ length: MANY_SCOPES }, (_, i) => `other:${i}`);

type PlainClient = { clientId: string; scopes: string[]; disabled: boolean; expired: boolean };
type Plain = { clients: Map<string, PlainClient>; roles: Map<string, PlainRole> };

/** A change of the client or role with this number: `scopes` is null for its end. */
type Step = {
  of: 'client' | 'role';
  id: string;
  scopes: string[] | null;
  disabled: boolean;
  expired: boolean;
};

const scope = fc.constantFrom(
  ...[
    'x:a',
    'x:ab',
    'x:a*',
    'x:*',
    '*',
    'y',
    'assume:r',
    'assume:r:a',
    'assume:r:*',
    'assume:*',
    'assume:s',
    'z',
  ],
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      of: fc.constant('client' as const),
      id: fc.nat(30).map((n) => `c/${n}`),
      scopes: fc.option(fc.uniqueArray(scope, { maxLength: 3 }), { freq: 6 }),
      disabled: fc.boolean(),
      expired: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      of: fc.constant('role' as const),
      id: fc.constantFrom('r', 'r:*', 's', 't'),
      scopes: fc.option(
        fc.uniqueArray(fc.constantFrom('x:a', 'x:<..>', 'x:*', 'y', 'assume:s', 'assume:t', 'z*'), {
          maxLength: 2,
        }),
        { freq: 6 },
      ),
      disabled: fc.constant(false),
      expired: fc.constant(false),
    }),
  },
);

async function append(eventStore: EventStore, plain: Plain, change: Step): Promise<void> {
  const { of, id, scopes, disabled, expired } = change;
  const write = (stream: string, type: string, data: object) =>
    eventStore.append(
      [{ stream, expectedRevision: 'any', events: [{ id: randomUUID(), type, data }] }],
      metadata,
    );
  if (of === 'role') {
    const isThere = plain.roles.has(id);
    if (!scopes && !isThere) return;
    if (!scopes) await write('roles', 'RoleDeleted', { roleId: id });
    else
      await write('roles', isThere ? 'RoleUpdated' : 'RoleCreated', { roleId: id, description: '', scopes });
    if (scopes) plain.roles.set(id, { roleId: id, scopes });
    else plain.roles.delete(id);
    return;
  }
  const stream = `client-${id}`;
  const before = plain.clients.get(id);
  if (!scopes) {
    if (before) await write(stream, 'ClientDeleted', { clientId: id });
    plain.clients.delete(id);
    return;
  }
  const expires = expired ? '2030-01-01T00:00:00.000Z' : '2031-01-01T00:00:00.000Z';
  const given = LARGE.has(id) ? [...scopes, ...OTHER_SCOPES] : scopes;
  const settings = { clientId: id, description: '', expires, deleteOnExpiration: false, scopes: given };
  if (before) await write(stream, 'ClientUpdated', settings);
  else
    await write(stream, 'ClientCreated', {
      ...settings,
      credential: { id: randomUUID(), fingerprint: 'f'.repeat(64) },
    });
  if (disabled !== (before?.disabled ?? false))
    await write(stream, disabled ? 'ClientDisabled' : 'ClientEnabled', { clientId: id });
  plain.clients.set(id, { clientId: id, scopes, disabled, expired });
}

function plainlySatisfies(scopes: string[], expression: ConcreteExpression): boolean {
  if (typeof expression === 'string') return satisfies(scopes, expression);
  return 'AllOf' in expression
    ? expression.AllOf.every((each) => plainlySatisfies(scopes, each))
    : expression.AnyOf.some((each) => plainlySatisfies(scopes, each));
}

const EXPRESSIONS: ConcreteExpression[] = [
  'x:a',
  'x:ab',
  'x:*',
  'y',
  { AllOf: ['y', 'x:a'] },
  { AnyOf: ['z1', 'y', { AllOf: ['z', 'x:b'] }] },
];

type Sizes = Partial<NonNullable<Parameters<typeof makeFindClients>[0]['sizes']>>;

const longWork = makeLongWork({ log });

/** All clients, page after page. */
async function allPages(
  { projector, state, sizes }: { projector: Projector; state: State; sizes: Sizes },
  question: { expression: ConcreteExpression; limit: number; includeDisabled: boolean },
): Promise<string[]> {
  const { expression, ...rest } = question;
  const roles = await state.roleScopes();
  const holders = runToCompletion(Holders.of(goalOf(expression), { roles }, new WorkBudget()));
  const find = makeFindClients({
    projector,
    longWork,
    sizes: { ...INDEX_SIZES, fewWays: 0, firstLook: 300, page: 10_000, ...sizes },
  });
  const ids: string[] = [];
  let after: string | undefined;
  let pages = 0;
  do {
    const page = await find({ ...rest, holders, state, after, time: NOW }, OWNER);
    ids.push(...page.clients.map(({ client }) => client.clientId));
    if (page.last !== undefined) expect(page.last > (after ?? '')).toBe(true);
    expect(page.clients.length).toBeLessThanOrEqual(rest.limit);
    expect((pages += 1)).toBeLessThan(200);
    after = page.last;
  } while (after !== undefined);
  return ids;
}

function asked(
  { clients, roles }: Plain,
  { expression, includeDisabled }: { expression: ConcreteExpression; includeDisabled: boolean },
): string[] {
  return [...clients.values()]
    .filter(({ disabled, expired }) => includeDisabled || !(disabled || expired))
    .filter(({ scopes }) => plainlySatisfies(plainExpansion([...roles.values()], scopes), expression))
    .map(({ clientId }) => clientId)
    .sort();
}

const copyOf = ({ clients, roles }: Plain): Plain => ({ clients: new Map(clients), roles: new Map(roles) });

describe('the clients that satisfy an expression', () => {
  test.each<[string, Sizes]>([
    ['as they are found at first sight', {}],
    ['in the index', { firstLook: 1 }],
    ['in the index at once', { fewWays: 100 }],
    ['in the index, a few rows at a time', { firstLook: 1, probe: 2, scan: 3, chunk: 1 }],
    [
      'in the index, of which little may be read',
      { firstLook: 1, probe: 2, scan: 3, chunk: 1, reads: 12, kept: 5 },
    ],
    ['among few that may be looked at', { firstLook: 1, page: 4, chunk: 2 }],
  ])('are those that asking each finds, now and at any moment, %s', async (_, sizes) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }),
        fc.integer({ min: 1, max: 7 }),
        fc.boolean(),
        async (steps, limit, includeDisabled) => {
          const eventStore = memoryEventStore({ validate: () => undefined });
          const plain: Plain = { clients: new Map(), roles: new Map() };
          const half = Math.floor(steps.length / 2);
          for (const change of steps.slice(0, half)) await append(eventStore, plain, change);
          const [position, then] = [await eventStore.head(), copyOf(plain)];
          const projector = await startProjector({
            eventStore,
            readStore: memoryReadStore(),
            log,
            holder: 'one',
          });
          for (const change of steps.slice(half)) await append(eventStore, plain, change);
          await projector.catchUp();
          const lastUsed = { of: async () => '' } as never;
          const former = makeFormerStates({ projector, eventStore, longWork });
          const states = [
            [presentState(projector, lastUsed), plain],
            [former({ position, at: metadata.at, time: NOW }, OWNER), then],
          ] as const;
          for (const [state, of] of states) {
            for (const expression of EXPRESSIONS) {
              const question = { expression, limit, includeDisabled };
              const found = await allPages({ projector, state, sizes }, question);
              expect({ expression, found }).toEqual({ expression, found: asked(of, question) });
            }
          }
          await projector.stop();
        },
      ),
      histories(15),
    );
  });
});
