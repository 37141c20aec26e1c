import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { roleChecks } from '../roleChecks.ts';
import { anyRoles, forwardingRoles } from './anyRoles.ts';
import { plainCycleLength, plainDependsOn, plainExpansion, type PlainRole } from './plainExpansion.ts';
import { histories } from '../histories.ts';

test.each([
  ['of any roles', anyRoles(), 12],
  ['of roles that pass parameters on', forwardingRoles(), 20],
])(
  'over any history %s every expansion equals the oracle, and every cycle is found',
  (_, step, maxLength) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength, size: 'max' }), (history) => {
        const graph = new RoleGraph<PlainRole>();
        const roles = new Map<string, PlainRole>();
        for (const { roleId, scopes, held, checksAll: checksAll } of history) {
          if (scopes === null) {
            graph.delete(roleId);
            roles.delete(roleId);
          } else if (mayBeSet({ roleId, scopes }, graph, [...roles.values()])) {
            graph.set({ roleId, scopes });
            roles.set(roleId, { roleId, scopes });
          }
          const all = [...roles.values()];
          expect(graph.expand(held)).toEqual(plainExpansion(all, held));
          // Not always, so that some expansions are computed long after the changes that they depend on.
          if (checksAll) expectSameExpansions(graph, all);
        }
        expectSameExpansions(graph, [...roles.values()]);
      }),
      histories(100),
    );
  },
);

function expectSameExpansions(graph: RoleGraph<PlainRole>, roles: PlainRole[]): void {
  expect(graph.idsAfter(undefined, Infinity)).toEqual(roles.map((role) => role.roleId).sort());
  for (const { roleId } of roles)
    expect(graph.expandRole(roleId)).toEqual(plainExpansion(roles, [`assume:${roleId}`]));
}

/** Checks what the graph says of a role's cycles, and whether it may be set, as its expansion ends. */
function mayBeSet(role: PlainRole, graph: RoleGraph<PlainRole>, others: PlainRole[]): boolean {
  const after = [...others.filter(({ roleId }) => roleId !== role.roleId), role];
  const cycle = roleChecks(graph).cycleThrough(role);
  expect(cycle && cycle.length - 1).toBe(plainCycleLength(after, role.roleId));
  const endless = roleChecks(graph).unboundedCycleThrough(role);
  for (const way of [cycle, endless]) if (way) expectCycle(way, role, after);
  return endless === undefined;
}

function expectCycle(ids: string[], role: PlainRole, roles: PlainRole[]): void {
  expect([ids[0], ids.at(-1)]).toEqual([role.roleId, role.roleId]);
  const along = ids.map((id) => roles.find((each) => each.roleId === id)!);
  for (const [at, each] of along.slice(0, -1).entries())
    expect(plainDependsOn(each, along[at + 1]!.roleId)).toBe(true);
}
