import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { ExpansionTooLarge, sizeOfScopes, WorkBudget } from '../../src/domain/workBudget.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { judged } from '../judged.ts';
import { anyhow, handingOn } from './anyRoles.ts';
import { plainExpansion, type PlainRole } from './plainExpansion.ts';
import { histories } from '../histories.ts';

/** So many units an expansion may take for each scope that it may produce. */
const UNITS_FOR_EACH = 20;

test.each([
  ['any roles', anyhow()],
  ['roles that hand parameters on', handingOn()],
])(
  'over %s, an expansion within a budget is the whole one or none, and takes no more than the budget',
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
            if (!scopes || judged(graph).endlessThrough({ roleId, scopes })) continue;
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
            // The step that finds the limit passed is counted, too.
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

describe('what several roles lead to counts once', () => {
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
    ['by themselves', granting('r', 50), names(50, 'assume:r')],
    ['as a scope that ends in a star covers them', granting('r', 50), ['assume:r*']],
    [
      'as several such scopes do, of very many',
      [...granting('r', 70), ...granting('s', 70), ...granting('t', 70), ...granting('u', 70)],
      ['assume:r*', 'assume:s*', 'assume:t*', 'assume:u*'],
    ],
  ])('held %s', (_, roles, scopes) => {
    expect(expanded(roles, scopes)).toEqual(plainExpansion([maker, ...roles], scopes));
  });

  test('and is too much where it is so by itself', () => {
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

test('what was too much once is answered where the limit is higher, or when the roles have changed', () => {
  const graph = new RoleGraph<PlainRole>();
  graph.set({ roleId: 'a', scopes: Array.from({ length: 50 }, (_, i) => `x:${i}`) });
  const within = (limit: number) => expansionWithin(graph, ['assume:a'], new WorkBudget({ limit }));
  expect(within(40)).toBeUndefined();
  expect(within(40)).toBeUndefined();
  expect(within(100)).toHaveLength(51);
  graph.set({ roleId: 'a', scopes: ['x'] });
  expect(within(40)).toEqual(['assume:a', 'x']);
});
