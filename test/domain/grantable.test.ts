import { expect, test } from '@jest/globals';
import { enoughChanges } from '../../src/domain/grantable.ts';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import type { PlainRole } from './plainExpansion.ts';

function changesFor(missing: string[], held: string[], roles: PlainRole[]) {
  const graph = new RoleGraph();
  graph.load(roles);
  const work = new WorkBudget();
  const found = runToCompletion(
    graph.inSnapshot((snapshot) =>
      enoughChanges({ subject: { scopes: held }, held, missing }, snapshot, work),
    ),
  );
  return { ...found, units: work.units, longestSlice: work.longestSlice };
}

test('the changes that are enough name the nearest roles, whatever else they grant', () => {
  const roles = [
    { roleId: 'a', scopes: ['y', 'assume:b'] },
    { roleId: 'b', scopes: ['assume:c:1', 'assume:a'] },
    { roleId: 'c:*', scopes: ['z:<..>'] },
  ];
  const ids = (missing: string[]): unknown =>
    changesFor(missing, ['assume:a'], roles).changes.map(({ to }) => to);
  expect(ids(['x'])).toEqual([{ roleId: 'a' }, { roleId: 'b' }, { roleId: 'c:*' }]);
  expect(ids(['x:<..>'])).toEqual([{ roleId: 'a' }, { roleId: 'b' }]);
});

test('the changes that are enough make no roles depend on each other in a cycle, and leave those that do', () => {
  const roles = [
    { roleId: 'a', scopes: ['assume:b', 'assume:e'] },
    { roleId: 'b', scopes: ['assume:c:1'] },
    { roleId: 'c:*', scopes: ['z:<..>'] },
    { roleId: 'd', scopes: ['assume:b'] },
    { roleId: 'e', scopes: [] },
  ];
  const ids = (missing: string): unknown =>
    changesFor([missing], ['assume:a'], roles).changes.map(({ to }) => to);
  expect(ids('assume:d')).toEqual([{ roleId: 'a' }, { roleId: 'e' }]);
  expect(ids('assume:*')).toEqual([]);
  expect(ids('assume:nobody')).toHaveLength(4);
  // An imported cycle stays as it is with a dependency that is there already.
  const cyclic = [
    { roleId: 'p*', scopes: ['assume:q<..>'] },
    { roleId: 'qx', scopes: ['assume:px'] },
    { roleId: 'qy', scopes: [] },
  ];
  expect(changesFor(['assume:qy'], ['assume:px'], cyclic).changes.map(({ to }) => to)).toEqual([
    { roleId: 'p*' },
  ]);
});

test('the cycles are those of the roles as they were when the question was asked', () => {
  const graph = new RoleGraph();
  graph.load([
    { roleId: 'a', scopes: [] },
    { roleId: 'd*', scopes: ['assume:a'] },
    { roleId: 'e', scopes: ['assume:a'] },
  ]);
  const changes = (missing: string): unknown =>
    runToCompletion(
      graph.inSnapshot(function* (snapshot) {
        graph.delete('d*');
        graph.set({ roleId: 'e', scopes: [] });
        graph.set({ roleId: 'f', scopes: ['assume:a'] });
        const question = { subject: { scopes: [] }, held: ['assume:a'], missing: [missing] };
        const found = yield* enoughChanges(question, snapshot, new WorkBudget());
        graph.set({ roleId: 'd*', scopes: ['assume:a'] });
        graph.set({ roleId: 'e', scopes: ['assume:a'] });
        graph.delete('f');
        return found.changes;
      }),
    );
  for (const cyclic of ['assume:dx', 'assume:d*', 'assume:e', 'assume:e*'])
    expect(changes(cyclic)).toEqual([]);
  for (const fit of ['assume:f', 'assume:x']) expect(changes(fit)).toHaveLength(1);
});

test('looking for them ends as incomplete where it takes too much work', () => {
  const start = 'p'.repeat(100);
  const roles = Array.from({ length: 10_000 }, (_, i) => ({ roleId: `${start}/${i}/*`, scopes: ['x'] }));
  const held = ['assume:a', ...Array.from({ length: 200 }, (_, i) => `assume:${start.slice(0, i / 2)}*`)];
  const { changes, complete, units, longestSlice } = changesFor(['a<..>'], held, [
    { roleId: 'a', scopes: [] },
    ...roles,
  ]);
  expect({ changes, complete }).toEqual({
    changes: [{ to: { roleId: 'a' }, add: ['a<..>'] }],
    complete: false,
  });
  expect(units).toBeGreaterThan(10 * roles.length);
  expect(longestSlice).toBeLessThan(20_000);
});

test('looking for them takes work by the length of scopes', () => {
  const templates = Array.from({ length: 1000 }, (_, i) => `assume:q/<..>/${i}`);
  const { complete } = changesFor(
    ['a<..>'],
    [`assume:p${'x'.repeat(20_000)}`],
    [{ roleId: 'p*', scopes: templates }],
  );
  expect(complete).toBe(false);
});
