import { describe, expect, test } from '@jest/globals';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { roleChecks } from '../roleChecks.ts';
import { ExpansionTooLarge } from '../../src/domain/workBudget.ts';
import type { PlainRole } from './plainExpansion.ts';

function graphOf(roles: Record<string, string[]>): RoleGraph<PlainRole> {
  const graph = new RoleGraph<PlainRole>();
  graph.load(Object.entries(roles).map(([roleId, scopes]) => ({ roleId, scopes })));
  return graph;
}

describe('expansion', () => {
  test('a held scope grants its role, and what that role grants', () => {
    const graph = graphOf({ a: ['assume:b', 'x'], b: ['y'] });
    expect(graph.expand(['assume:a', 'z'])).toEqual(['assume:a', 'assume:b', 'x', 'y', 'z']);
  });

  test('a role whose id ends in a star is granted by every scope with that prefix', () => {
    const graph = graphOf({ 'a*': ['x'] });
    expect(graph.expand(['assume:a'])).toContain('x');
    expect(graph.expand(['assume:abc'])).toContain('x');
    expect(graph.expand(['assume:b'])).not.toContain('x');
  });

  test('a held star grants all roles that it covers', () => {
    const graph = graphOf({ ab: ['x'], 'ac*': ['y'], b: ['z'] });
    expect(graph.expand(['assume:a*'])).toEqual(['assume:a*', 'x', 'y']);
    expect(graph.expand(['ass*'])).toEqual(['ass*', 'x', 'y', 'z']);
    expect(graph.expand(['*'])).toEqual(['*']);
  });

  test('the parameter is what follows the prefix of the id', () => {
    const graph = graphOf({ 'p*': ['x:<..>:y'] });
    expect(graph.expand(['assume:pq'])).toContain('x:q:y');
    expect(graph.expand(['assume:p'])).toContain('x::y');
    expect(graph.expand(['assume:p$&'])).toContain('x:$&:y');
  });

  test('a parameter that ends in a star cuts off what follows it', () => {
    const graph = graphOf({ 'p*': ['x:<..>:y'], 'ab*': ['z:<..>:y'] });
    expect(graph.expand(['assume:pq*'])).toContain('x:q*');
    expect(graph.expand(['assume:a*'])).toContain('z:*');
  });

  test('in a role that takes no parameter <..> is plain text', () => {
    expect(graphOf({ p: ['x:<..>'] }).expand(['assume:p'])).toContain('x:<..>');
  });

  test('roles that grant each other have all that both have', () => {
    const graph = graphOf({
      a: ['assume:b', 'x'],
      b: ['assume:a', 'assume:c', 'y'],
      c: ['z'],
      all: ['assume:*'],
    });
    expect(graph.expand(['assume:a'])).toEqual(['assume:a', 'assume:b', 'assume:c', 'x', 'y', 'z']);
    expect(graph.expandRole('b')).toEqual(['assume:a', 'assume:b', 'assume:c', 'x', 'y', 'z']);
    expect(graph.expandRole('all')).toEqual(['assume:*', 'x', 'y', 'z']);
  });

  test('a chain of 10,000 roles is no deeper than the stack', () => {
    const graph = new RoleGraph<PlainRole>();
    graph.load(Array.from({ length: 10_000 }, (_, i) => ({ roleId: `r${i}`, scopes: [`assume:r${i + 1}`] })));
    expect(graph.expand(['assume:r9990'])).toHaveLength(11);
    expect(graph.expand(['assume:r0'])).toHaveLength(10_001);
  });

  test('a role that grants ever more roles with parameters is refused, not expanded without end', () => {
    const graph = new RoleGraph<PlainRole>();
    for (let i = 0; i < 40; i += 1) {
      graph.set({ roleId: `r${i}/*`, scopes: [`assume:r${i + 1}/<..>a`, `assume:r${i + 1}/<..>b`] });
    }
    expect(() => graph.expand(['assume:r0/'])).toThrow(ExpansionTooLarge);
    expect(graph.expand(['assume:r39/'])).toHaveLength(3);
  });
});

describe('a change', () => {
  test('affects the roles that depend on the changed one', () => {
    const graph = graphOf({ a: ['assume:b'], b: ['x'] });
    const version = graph.version;
    expect(graph.expandRole('a')).toEqual(['assume:a', 'assume:b', 'x']);
    graph.set({ roleId: 'b', scopes: ['z'] });
    expect(graph.expandRole('a')).toEqual(['assume:a', 'assume:b', 'z']);
    expect(graph.version).toBeGreaterThan(version);
    graph.delete('b');
    expect(graph.expand(['assume:a'])).toEqual(['assume:a', 'assume:b']);
  });

  test('leaves the expansions of all other roles unchanged', () => {
    const graph = graphOf({ a: ['assume:b'], b: ['x'], c: ['assume:d'], d: ['y'], 'p*': ['z:<..>'] });
    const before = new Map(graph.idsAfter(undefined, 10).map((id) => [id, graph.expandRole(id)]));
    graph.set({ roleId: 'b', scopes: ['x', 'z'] });
    for (const id of ['c', 'd', 'p*']) expect(graph.expandRole(id)).toBe(before.get(id));
    for (const id of ['a', 'b']) expect(graph.expandRole(id)).not.toBe(before.get(id));
  });

  test('affects roles whose granting scope also grants a new role', () => {
    const graph = graphOf({ ab: ['x'], 'ac*': ['y'] });
    expect(graph.expandRole('ab')).toEqual(['assume:ab', 'x']);
    graph.set({ roleId: 'a*', scopes: ['z:<..>'] });
    expect(graph.expandRole('ab')).toEqual(['assume:ab', 'x', 'z:b']);
    expect(graph.expandRole('ac*')).toEqual(['assume:ac*', 'y', 'z:c*']);
    graph.delete('a*');
    expect(graph.expandRole('ab')).toEqual(['assume:ab', 'x']);
  });

  test('can make a role parameterised, or no longer so', () => {
    const graph = graphOf({ 'p*': ['x'], q: ['assume:pa'] });
    expect(graph.expandRole('q')).toContain('x');
    graph.set({ roleId: 'p*', scopes: ['x:<..>'] });
    expect(graph.expandRole('q')).toContain('x:a');
    graph.set({ roleId: 'p*', scopes: ['y'] });
    expect(graph.expandRole('q')).toEqual(['assume:pa', 'assume:q', 'y']);
  });

  test('does not affect a clone', () => {
    const graph = graphOf({ a: ['x'] });
    const copy = graph.clone();
    graph.set({ roleId: 'a', scopes: ['y'] });
    expect(copy.expandRole('a')).toEqual(['assume:a', 'x']);
  });
});

describe('the cache', () => {
  test('returns the same array for the same scopes until a role changes', () => {
    const graph = graphOf({ a: ['x'] });
    const answer = graph.expand(['assume:a', 'z']);
    expect(graph.expand(['assume:a', 'z'])).toBe(answer);
    graph.set({ roleId: 'a', scopes: ['y'] });
    expect(graph.expand(['assume:a', 'z'])).toEqual(['assume:a', 'y', 'z']);
  });

  test('is bounded, and correct for any number of parameters', () => {
    const graph = graphOf({ 'p*': ['assume:q<..>'], 'q*': ['x:<..>'] });
    for (let i = 0; i < 25_000; i += 1) graph.expand([`assume:p${i}`]);
    graph.set({ roleId: 'q*', scopes: ['y:<..>'] });
    expect(graph.expand(['assume:p7'])).toEqual(['assume:p7', 'assume:q7', 'y:7']);
    expect(graph.expand(['assume:p24999'])).toEqual(['assume:p24999', 'assume:q24999', 'y:24999']);
  });
});

describe('the list of ids', () => {
  test('is in byte order, and can be read page by page', () => {
    const graph = graphOf({ b: [], B: [], 'a*': [], a: [] });
    expect(graph.size).toBe(4);
    expect(graph.idsAfter(undefined, 3)).toEqual(['B', 'a', 'a*']);
    expect(graph.idsAfter('a*', 3)).toEqual(['b']);
    expect(graph.idsAfter('a!', 1)).toEqual(['a*']);
  });
});

describe('cycles', () => {
  test('a role that would grant itself, or one that grants it, is on a cycle', () => {
    const graph = graphOf({ a: ['assume:b'], b: ['assume:c'], c: [] });
    expect(roleChecks(graph).cycleThrough({ roleId: 'c', scopes: ['assume:a'] })).toEqual([
      'c',
      'a',
      'b',
      'c',
    ]);
    expect(roleChecks(graph).cycleThrough({ roleId: 'new', scopes: ['assume:new'] })).toEqual(['new', 'new']);
    expect(roleChecks(graph).cycleThrough({ roleId: 'c', scopes: ['assume:x'] })).toBeUndefined();
    expect(roleChecks(graph).cycleThrough({ roleId: 'x', scopes: ['*'] })).toEqual(['x', 'x']);
  });

  test('a parameter counts as any text', () => {
    const graph = graphOf({ 'p*': ['assume:q<..>'], qx: [] });
    expect(roleChecks(graph).cycleThrough({ roleId: 'qx', scopes: ['assume:pa'] })).toEqual([
      'qx',
      'p*',
      'qx',
    ]);
  });

  test('a cycle is unbounded if a parameter grows along it', () => {
    const graph = graphOf({ 'p*': ['assume:q<..>'] });
    expect(roleChecks(graph).unboundedCycleThrough({ roleId: 'q*', scopes: ['assume:p<..>x'] })).toEqual([
      'q*',
      'p*',
      'q*',
    ]);
    expect(
      roleChecks(graph).unboundedCycleThrough({ roleId: 'q*', scopes: ['assume:p<..>'] }),
    ).toBeUndefined();
    expect(roleChecks(graph).unboundedCycleThrough({ roleId: 'q*', scopes: ['assume:pa'] })).toBeUndefined();
    expect(roleChecks(graph).unboundedCycleThrough({ roleId: 's*', scopes: ['assume:sa<..>'] })).toEqual([
      's*',
      's*',
    ]);
  });
});
