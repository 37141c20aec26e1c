import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import type { RoleRow } from '../../projections/roles.ts';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { makePresentRoleScopes } from '../../src/readSide/presentRoleScopes.ts';

const roleNamed = (roleId: string, scopes: string[]): RoleRow => ({
  roleId,
  description: '',
  scopes,
  created: '2030-01-01T00:00:00Z',
  lastModified: '2030-01-01T00:00:00Z',
});

function graphOf(count: number, scopes: (i: number) => string[]) {
  const roleGraph = new RoleGraph<RoleRow>();
  roleGraph.load(Array.from({ length: count }, (_, i) => roleNamed(`r${i}`, scopes(i))));
  let changed: (roleId: string) => void = () => undefined;
  const onRole = (call: typeof changed): void => void (changed = call);
  const set = (role: RoleRow): void => {
    roleGraph.set(role);
    changed(role.roleId);
  };
  return { roleGraph, onRole, set };
}

describe('the own scopes of the present roles', () => {
  test('are indexed a few thousand in a turn of the event loop', async () => {
    const graph = graphOf(12, (i) => Array.from({ length: 3000 }, (_, k) => `s${i}:${k}`));
    const roleScopes = makePresentRoleScopes(graph)();
    let isBuilt = false;
    void roleScopes.then(() => (isBuilt = true));
    for (let turns = 0; turns < 10; turns += 1) {
      expect(isBuilt).toBe(false);
      await nextTurn();
    }
    const { literal } = await roleScopes;
    expect([...literal.matching({ kind: 'starting', text: 's' })]).toHaveLength(36_000);
  });

  test('follow changes while they are indexed and afterwards', async () => {
    const graph = graphOf(500, (i) => [`s:${i}`]);
    const building = makePresentRoleScopes(graph)();
    graph.set(roleNamed('r0', ['changed:0']));
    graph.set(roleNamed('r9', ['changed:9']));
    const { literal } = await building;
    graph.set(roleNamed('r5', ['changed:5']));
    const found = [...literal.matching({ kind: 'starting', text: 'changed:' })].map(({ scope }) => scope);
    expect(found).toEqual(['changed:0', 'changed:5', 'changed:9']);
    expect([...literal.matching({ kind: 'starting', text: 's:' })]).toHaveLength(497);
  });
});
