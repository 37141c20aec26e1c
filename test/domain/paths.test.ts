import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { findPaths } from '../../src/domain/paths.ts';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { satisfies } from '../../src/domain/scopes.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import { histories } from '../histories.ts';
import { roleChecks } from '../roleChecks.ts';
import { anyRoles, forwardingRoles } from './anyRoles.ts';
import { isValidPath } from './isValidPath.ts';
import { type PlainRole, plainExpansion } from './plainExpansion.ts';

function pathsIn(roles: PlainRole[], held: string[], scope: string, limit = 1000) {
  const graph = new RoleGraph();
  graph.load(roles);
  return runToCompletion(
    graph.inSnapshot((snapshot) => findPaths({ held, scope }, snapshot, { limit, work: new WorkBudget() })),
  );
}

describe('the paths to a scope', () => {
  const roles = [
    { roleId: 'a', scopes: ['assume:b', 'x'] },
    { roleId: 'b', scopes: ['assume:a', 'assume:c:1', 'x'] },
    { roleId: 'c:*', scopes: ['y:<..>:z'] },
  ];

  test('begin with the shortest, and name how each role is granted', () => {
    expect(pathsIn(roles, ['assume:a'], 'y:1:z')).toEqual({
      paths: [
        {
          held: 'assume:a',
          steps: [
            { roleId: 'a', match: 'exact', grant: 'assume:b', scope: 'assume:b' },
            { roleId: 'b', match: 'exact', grant: 'assume:c:1', scope: 'assume:c:1', returnsTo: ['a'] },
            { roleId: 'c:*', match: 'role-star', parameter: '1', grant: 'y:<..>:z', scope: 'y:1:z' },
          ],
        },
      ],
      pathCount: 1,
      complete: true,
    });
    const { paths, pathCount } = pathsIn(roles, ['assume:a', 'x'], 'x', 2);
    expect(paths.map(({ steps }) => steps.length)).toEqual([0, 1]);
    expect(pathCount).toBe(3);
  });

  test('lead through the star of a held scope, whose parameter is a star', () => {
    const { paths } = pathsIn(roles, ['assume:*'], 'y:anything');
    expect(paths[0]).toEqual({
      held: 'assume:*',
      steps: [{ roleId: 'c:*', match: 'held-star', parameter: '*', grant: 'y:<..>:z', scope: 'y:*' }],
    });
  });

  test('are none where the scope is not satisfied', () => {
    expect(pathsIn(roles, ['assume:a'], 'z')).toEqual({ paths: [], pathCount: 0, complete: true });
  });

  test.each([
    ['any roles', anyRoles()],
    ['roles that pass parameters on', forwardingRoles()],
  ])('of %s are there if and only if the scope is satisfied, and each holds step by step', (_, step) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12, size: 'max' }), (history) => {
        const graph = new RoleGraph();
        const roleOf = new Map<string, PlainRole>();
        for (const { roleId, scopes } of history) {
          if (!scopes || roleChecks(graph).unboundedCycleThrough({ roleId, scopes })) continue;
          graph.set({ roleId, scopes });
          roleOf.set(roleId, { roleId, scopes });
        }
        const present = [...roleOf.values()];
        for (const { held } of history) {
          const expanded = plainExpansion(present, held);
          const targets = [...expanded.slice(0, 4), 'not/held', ...held];
          for (const target of targets) {
            const { paths, pathCount, complete } = pathsIn(present, held, target, 20);
            expect(paths.length > 0).toBe(satisfies(expanded, target));
            expect(pathCount).toBeGreaterThanOrEqual(paths.length);
            if (complete && pathCount <= 20) expect(paths).toHaveLength(pathCount);
            const lengths = paths.map(({ steps }) => steps.length);
            expect(lengths).toEqual(lengths.toSorted((one, other) => one - other));
            expect(new Set(paths.map((path) => JSON.stringify(path))).size).toBe(paths.length);
            for (const path of paths)
              expect([path, isValidPath(path, { roles: present, held, target })]).toEqual([path, true]);
          }
        }
      }),
      histories(30),
    );
  });

  test('are counted as far as that is possible, where very many roles grant each other', () => {
    const all = Array.from({ length: 2000 }, (_, i) => ({ roleId: `r${i}`, scopes: ['assume:*', 'x'] }));
    const { paths, pathCount, complete } = pathsIn(all, ['assume:r7'], 'x', 3);
    expect(paths.map(({ steps }) => steps.map(({ roleId }) => roleId))).toEqual([
      ['r7'],
      ['r7', 'r0'],
      ['r7', 'r1'],
    ]);
    expect({ isMany: pathCount > 100, complete }).toEqual({ isMany: true, complete: false });
  });

  test('are found where layers of roles each grant the whole next layer, so that there are millions of paths', () => {
    const [width, depth] = [50, 4];
    const layer = (at: number): string[] => Array.from({ length: width }, (_, i) => `l${at}-${i}`);
    const grantsOf = (at: number): string[] => layer(at).map((id) => `assume:${id}`);
    const all = [
      { roleId: 'top', scopes: grantsOf(0) },
      ...Array.from({ length: depth }, (_, at) =>
        layer(at).map((roleId) => ({ roleId, scopes: at === depth - 1 ? ['x'] : grantsOf(at + 1) })),
      ).flat(),
    ];
    const { paths, pathCount, complete } = pathsIn(all, ['assume:top'], 'x', 3);
    expect(paths.map(({ steps }) => steps.map(({ roleId }) => roleId).join())).toEqual([
      'top,l0-0,l1-0,l2-0,l3-0',
      'top,l0-0,l1-0,l2-0,l3-1',
      'top,l0-0,l1-0,l2-0,l3-2',
    ]);
    expect({ isMany: pathCount > 100, complete }).toEqual({ isMany: true, complete: false });
  });

  test('have at least the shortest, where too many roles lead astray to count on', () => {
    const length = 1500;
    const astray = Array.from({ length: 1500 }, (_, i) => ({ roleId: `d${i}`, scopes: ['assume:c0'] }));
    const chain = Array.from({ length }, (_, i) => ({
      roleId: `c${i}`,
      scopes: i === length - 1 ? ['x'] : ['assume:d*', `assume:c${i + 1}`],
    }));
    const { paths, pathCount, complete } = pathsIn([...astray, ...chain], ['assume:c0'], 'x');
    expect({ pathCount, complete }).toEqual({ pathCount: 1, complete: false });
    expect(paths.map(({ steps }) => steps.map(({ roleId }) => roleId))).toEqual([
      chain.map(({ roleId }) => roleId),
    ]);
  });

  test('take work by the length of scopes, and are refused where long ones become too many', () => {
    const templates = Array.from({ length: 1000 }, (_, i) => `assume:q/<..>/${i}`);
    const graph = new RoleGraph();
    graph.load([{ roleId: 'p*', scopes: templates }]);
    const unitsFor = (length: number): number => {
      const question = { held: [`assume:p${'x'.repeat(length)}`], scope: 'y' };
      const work = new WorkBudget();
      runToCompletion(graph.inSnapshot((snapshot) => findPaths(question, snapshot, { limit: 1, work })));
      return work.units;
    };
    expect(unitsFor(10_000)).toBeGreaterThan(100 * templates.length);
    expect(() => unitsFor(20_000)).toThrow('expand to more than');
  });

  test('are found where each role of a long chain grants all before it', () => {
    const ids = Array.from({ length: 200 }, (_, i) => `r${i}`);
    const chain = ids.map((roleId, i) => ({
      roleId,
      scopes: i === 199 ? ['x'] : ids.slice(0, i + 2).map((id) => `assume:${id}`),
    }));
    const { paths, pathCount, complete } = pathsIn(chain, ['assume:r0'], 'x');
    expect({ pathCount, complete }).toEqual({ pathCount: 1, complete: true });
    expect(paths[0]!.steps).toHaveLength(200);
    expect(paths[0]!.steps[198]!.returnsTo).toHaveLength(199);
  });
});
