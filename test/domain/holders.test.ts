import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { goalOf, Holders } from '../../src/domain/holders.ts';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { RoleScopes } from '../../src/domain/roleScopes.ts';
import type { ConcreteExpression } from '../../src/domain/scopeExpression.ts';
import { satisfies } from '../../src/domain/scopes.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { ExpansionTooLarge, WorkBudget } from '../../src/domain/workBudget.ts';
import { histories } from '../histories.ts';
import { roleChecks } from '../roleChecks.ts';
import { anyRoles, forwardingRoles } from './anyRoles.ts';
import { type PlainRole, plainExpansion } from './plainExpansion.ts';

function holdersOf(expression: ConcreteExpression, roles: readonly PlainRole[] | RoleScopes): Holders {
  let scopes = roles;
  if (!(scopes instanceof RoleScopes)) {
    scopes = new RoleScopes();
    for (const role of roles as readonly PlainRole[]) scopes.add(role);
  }
  const work = new WorkBudget({ limit: 20_000 });
  return runToCompletion(Holders.of(goalOf(expression), { roles: scopes }, work));
}

const roleIdsOf = (holders: Holders): string[] => runToCompletion(holders.roleIds(new WorkBudget()));
const sourcesOf = (holders: Holders) => runToCompletion(holders.sources(new WorkBudget()));

const waysOf = (holders: Holders, scopes: readonly string[]) =>
  runToCompletion(holders.waysOfClient(scopes, new WorkBudget()));

const ROLES = [
  { roleId: 'a', scopes: ['assume:b:x'] },
  { roleId: 'b:*', scopes: ['queue:<..>:y', 'other'] },
  { roleId: 'unrelated', scopes: ['z'] },
];

describe('who satisfies a scope', () => {
  const holders = holdersOf('queue:x:y', ROLES);
  const [scope, way] = ['queue:x:y', (held: string, via: string[]) => [{ scope, held, via }]];

  test.each([
    ['directly', ['queue:*'], way('queue:*', [])],
    ['through a role', ['assume:a'], way('assume:a', ['a', 'b:*'])],
    ['by a star', ['assume:*'], way('assume:*', ['b:*'])],
    ['on the shortest of several paths', ['assume:a', 'assume:b:x', 'z'], way('assume:b:x', ['b:*'])],
    ['not at all', ['assume:b:z', 'assume:unrelated', 'queue:x'], undefined],
  ])('is found of a client %s', (_, scopes, ways) => {
    expect(waysOf(holders, scopes)).toEqual(ways);
  });

  test('is found of roles, whose paths begin with themselves', () => {
    expect(roleIdsOf(holders).map((id) => [id, holders.waysOfRole(id)])).toEqual([
      ['a', way('assume:a', ['a', 'b:*'])],
      ['b:*', way('assume:b:*', ['b:*'])],
    ]);
  });
});

describe('who satisfies an expression', () => {
  const expression = { AllOf: ['other', { AnyOf: ['none', 'z', { AllOf: ['u', 'v'] }] }] };
  const holders = holdersOf(expression, ROLES);

  test('has a way for each scope of the parts that are satisfied first', () => {
    expect(waysOf(holders, ['assume:b:1', 'v', 'u'])).toEqual([
      { scope: 'other', held: 'assume:b:1', via: ['b:*'] },
      { scope: 'u', held: 'u', via: [] },
      { scope: 'v', held: 'v', via: [] },
    ]);
    expect(waysOf(holders, ['assume:b:1', 'u'])).toBeUndefined();
    expect(waysOf(holders, ['z'])).toBeUndefined();
    expect(roleIdsOf(holders)).toEqual([]);
  });

  test('is looked for by any part that is needed, and of these by that with the fewest scopes first', () => {
    const textsOf = (wanted: ConcreteExpression): string[][] =>
      sourcesOf(holdersOf(wanted, [])).map((ranges) => ranges.map(({ text }) => text));
    expect(textsOf({ AllOf: [{ AnyOf: ['a', 'b'] }, { AllOf: ['z'] }] })).toEqual([
      ['*', 'z', 'z*'],
      ['*', 'a', 'a*', 'b', 'b*'],
    ]);
    expect(textsOf({ AnyOf: [{ AllOf: ['long', 'z'] }, 'y'] })).toEqual([['*', 'y', 'y*', 'z', 'z*']]);
  });
});

test('a client with many scopes is asked about in time slices', () => {
  const holders = holdersOf({ AnyOf: Array.from({ length: 100 }, (_, i) => `queue:${i}`) }, []);
  const work = new WorkBudget();
  const scopes = Array.from({ length: 3000 }, (_, i) => `own:${i}*`);
  const ways = holders.waysOfClient(scopes, work);
  for (let slices = 1; slices < 20; slices += 1) expect(ways.next().done).toBe(false);
  expect(runToCompletion(ways)).toBeUndefined();
});

/** Expressions of scopes of a list. */
function expressionsOf(scopes: fc.Arbitrary<string>): fc.Arbitrary<ConcreteExpression> {
  return fc.letrec<{ any: ConcreteExpression }>((tie) => ({
    any: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      scopes,
      fc.record({ AllOf: fc.array(tie('any'), { minLength: 1, maxLength: 3 }) }),
      fc.record({ AnyOf: fc.array(tie('any'), { minLength: 1, maxLength: 3 }) }),
    ),
  })).any;
}

function plainlySatisfies(scopes: string[], expression: ConcreteExpression): boolean {
  if (typeof expression === 'string') return satisfies(scopes, expression);
  return 'AllOf' in expression
    ? expression.AllOf.every((each) => plainlySatisfies(scopes, each))
    : expression.AnyOf.some((each) => plainlySatisfies(scopes, each));
}

test.each([
  ['any roles', anyRoles()],
  ['roles that pass parameters on', forwardingRoles()],
])('over any history of %s, it is what asking every client and role finds', (_, step) => {
  let complete = 0;
  const index = fc.nat(1000).map(String);
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 12, size: 'max' }),
      fc.array(expressionsOf(index), { minLength: 4, maxLength: 4 }),
      (history, templates) => {
        const graph = new RoleGraph();
        const present = new Map<string, PlainRole>();
        const roleScopes = new RoleScopes();
        for (const { roleId, scopes } of history) {
          if (scopes && roleChecks(graph).unboundedCycleThrough({ roleId, scopes })) continue;
          const before = present.get(roleId);
          if (before) roleScopes.delete(before);
          if (scopes) graph.set({ roleId, scopes });
          else graph.delete(roleId);
          if (scopes) present.set(roleId, { roleId, scopes });
          else present.delete(roleId);
          if (scopes) roleScopes.add({ roleId, scopes });
        }
        const roles = [...present.values()];
        const clients = history.map(({ held }) => ({ held, expanded: plainExpansion(roles, held) }));
        const expandedRoles = roles.map(
          ({ roleId }) => [roleId, plainExpansion(roles, [`assume:${roleId}`])] as const,
        );
        const known = [
          ...new Set(
            [...clients.map(({ expanded }) => expanded), ...expandedRoles.map(([, all]) => all)].flat(),
          ),
        ];
        const scopeAt = (i: string): string => known[Number(i) % (known.length + 1)] ?? 'not/held';
        for (const expression of [
          ...known.slice(0, 4),
          ...templates.map((each) => withScopes(each, scopeAt)),
        ]) {
          let holders;
          try {
            holders = runToCompletion(
              Holders.of(goalOf(expression), { roles: roleScopes }, new WorkBudget({ limit: 4000 })),
            );
          } catch (error) {
            expect(error).toBeInstanceOf(ExpansionTooLarge);
            continue;
          }
          complete += 1;
          const sources = sourcesOf(holders);
          const satisfying = expandedRoles.filter(([, scopes]) => plainlySatisfies(scopes, expression));
          expect([expression, roleIdsOf(holders)]).toEqual([expression, satisfying.map(([id]) => id).sort()]);
          for (const { held, expanded } of clients) {
            const ways = waysOf(holders, held);
            const isIt = plainlySatisfies(expanded, expression);
            expect({ expression, held, isIt: ways !== undefined }).toEqual({ expression, held, isIt });
            if (!ways) continue;
            const inRange = sources.every((ranges) =>
              ranges.some(({ text, isPrefix }) =>
                held.some((scope) => (isPrefix ? scope.startsWith(text) : scope === text)),
              ),
            );
            expect({ expression, held, inRange }).toEqual({ expression, held, inRange: true });
            for (const { scope, held: from, via } of ways) {
              expect(held).toContain(from);
              // The roles on the way are enough.
              const alone = roles.filter(({ roleId }) => via.includes(roleId));
              expect([from, via, scope, satisfies(plainExpansion(alone, [from]), scope)]).toEqual([
                from,
                via,
                scope,
                true,
              ]);
            }
          }
        }
      },
    ),
    histories(25),
  );
  expect(complete).toBeGreaterThan(40);
});

function withScopes(expression: ConcreteExpression, scopeAt: (i: string) => string): ConcreteExpression {
  if (typeof expression === 'string') return scopeAt(expression);
  return 'AllOf' in expression
    ? { AllOf: expression.AllOf.map((each) => withScopes(each, scopeAt)) }
    : { AnyOf: expression.AnyOf.map((each) => withScopes(each, scopeAt)) };
}
