import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { ExpansionTooLarge, sizeOfScopes, WorkBudget } from '../../src/domain/workBudget.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { roleChecks } from '../roleChecks.ts';
import { anyRoles, forwardingRoles } from './anyRoles.ts';
import { plainExpansion, type PlainRole } from './plainExpansion.ts';
import { histories } from '../histories.ts';

/** Units of work that an expansion may take for each scope that it may produce. */
const UNITS_FOR_EACH = 20;

test.each([
  ['any roles', anyRoles()],
  ['roles that pass parameters on', forwardingRoles()],
])(
  'over %s, an expansion within a budget is complete or refused, and takes no more work than the budget',
  (_, step) => {
    let refused = 0;
    let answered = 0;
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 10, size: 'max' }),
        fc.integer({ min: 1, max: 30 }),
        (history, limit) => {
          const graph = new RoleGraph<PlainRole>();
          const roles = new Map<string, PlainRole>();
          for (const { roleId, scopes } of history) {
            if (!scopes || roleChecks(graph).unboundedCycleThrough({ roleId, scopes })) continue;
            graph.set({ roleId, scopes });
            roles.set(roleId, { roleId, scopes });
          }
          for (const { held } of history) {
            const work = new WorkBudget({ limit });
            const whole = plainExpansion([...roles.values()], held);
            const within = expansionWithin(graph, held, work);
            if (within === undefined) refused += 1;
            else {
              answered += 1;
              expect(within).toEqual(whole);
            }
            expect(within === undefined ? 0 : sizeOfScopes(within)).toBeLessThanOrEqual(limit + held.length);
            // The step that exceeds the limit is counted, too.
            expect(work.units).toBeLessThan(limit * UNITS_FOR_EACH + 100);
          }
        },
      ),
      histories(200),
    );
    expect(refused).toBeGreaterThan(0);
    expect(answered).toBeGreaterThan(0);
  },
);

describe('what several roles grant counts once', () => {
  const names = (count: number, start: string): string[] =>
    Array.from({ length: count }, (_, i) => `${start}${i}`);
  const maker = { roleId: 'make-*', scopes: names(100, 'x:<..>:') };
  const granting = (start: string, count: number) =>
    names(count, start).map((roleId) => ({ roleId, scopes: ['assume:make-a'] }));
  const expanded = (roles: PlainRole[], scopes: string[]) => {
    const graph = new RoleGraph<PlainRole>();
    graph.load([maker, ...roles]);
    return expansionWithin(graph, scopes, new WorkBudget({ limit: 400 }));
  };

  test.each([
    ['one by one', granting('r', 50), names(50, 'assume:r')],
    ['by a scope that ends in a star', granting('r', 50), ['assume:r*']],
    [
      'by several such scopes, of very many roles',
      [...granting('r', 70), ...granting('s', 70), ...granting('t', 70), ...granting('u', 70)],
      ['assume:r*', 'assume:s*', 'assume:t*', 'assume:u*'],
    ],
  ])('held %s', (_, roles, scopes) => {
    expect(expanded(roles, scopes)).toEqual(plainExpansion([maker, ...roles], scopes));
  });

  test('and is refused if it is too large even so', () => {
    const many = Array.from({ length: 5 }, (_, i) => ({ roleId: `r${i}`, scopes: [`assume:make-${i}`] }));
    expect(expanded(many, names(5, 'assume:r'))).toBeUndefined();
  });
});

function expansionWithin(
  graph: RoleGraph<PlainRole>,
  scopes: string[],
  work: WorkBudget,
): readonly string[] | undefined {
  try {
    return runToCompletion(graph.expandInSlices(scopes, work));
  } catch (error) {
    if (error instanceof ExpansionTooLarge) return undefined;
    throw error;
  }
}

test('a refused expansion succeeds with a higher limit, or after the roles have changed', () => {
  const graph = new RoleGraph<PlainRole>();
  graph.set({ roleId: 'a', scopes: Array.from({ length: 50 }, (_, i) => `x:${i}`) });
  const within = (limit: number) => expansionWithin(graph, ['assume:a'], new WorkBudget({ limit }));
  expect(within(40)).toBeUndefined();
  expect(within(40)).toBeUndefined();
  expect(within(100)).toHaveLength(51);
  graph.set({ roleId: 'a', scopes: ['x'] });
  expect(within(40)).toEqual(['assume:a', 'x']);
});
