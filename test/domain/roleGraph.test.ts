import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { plainExpansion, plainIsOnCycle, type PlainRole } from './plainExpansion.ts';

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

  test('a role whose id ends in a star is granted by whatever begins as it does', () => {
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

  test('the parameter is what followed the text of the id', () => {
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

  test('a change reaches the roles that reach it, and leaves the lists of others as they are', () => {
    const graph = graphOf({ a: ['assume:b'], b: ['x'], c: ['assume:d'], d: ['y'] });
    const before = graph.expand(['assume:c']);
    const versionBefore = graph.version;
    graph.set({ roleId: 'b', scopes: ['z'] });
    expect(graph.expand(['assume:a'])).toEqual(['assume:a', 'assume:b', 'z']);
    expect(graph.expand(['assume:c'])).toEqual(before);
    expect(graph.version).toBeGreaterThan(versionBefore);
    graph.delete('b');
    expect(graph.expand(['assume:a'])).toEqual(['assume:a', 'assume:b']);
  });

  test('no more than a bounded number of parameters is remembered, and all of them are right', () => {
    const graph = graphOf({ 'p*': ['assume:q<..>'], 'q*': ['x:<..>'] });
    for (let i = 0; i < 25_000; i += 1) graph.expand([`assume:p${i}`]);
    expect(graph.expand(['assume:p7'])).toEqual(['assume:p7', 'assume:q7', 'x:7']);
  });
});

describe('cycles', () => {
  test('a role that would grant itself, or one that grants it, is on a cycle', () => {
    const graph = graphOf({ a: ['assume:b'], b: ['assume:c'], c: [] });
    expect(graph.cycleThrough({ roleId: 'c', scopes: ['assume:a'] })).toEqual(['c', 'a', 'b', 'c']);
    expect(graph.cycleThrough({ roleId: 'new', scopes: ['assume:new'] })).toEqual(['new', 'new']);
    expect(graph.cycleThrough({ roleId: 'c', scopes: ['assume:x'] })).toBeUndefined();
    expect(graph.cycleThrough({ roleId: 'x', scopes: ['*'] })).toEqual(['x', 'x']);
  });

  test('a parameter counts as whatever it could be', () => {
    const graph = graphOf({ 'p*': ['assume:q<..>'], qx: [] });
    expect(graph.cycleThrough({ roleId: 'qx', scopes: ['assume:pa'] })).toEqual(['qx', 'p*', 'qx']);
  });

  test('a cycle is endless when a parameter grows along it', () => {
    const graph = graphOf({ 'p*': ['assume:q<..>'] });
    expect(graph.endlessThrough({ roleId: 'q*', scopes: ['assume:p<..>x'] })).toEqual(['q*', 'p*', 'q*']);
    expect(graph.endlessThrough({ roleId: 'q*', scopes: ['assume:p<..>'] })).toBeUndefined();
    expect(graph.endlessThrough({ roleId: 'q*', scopes: ['assume:pa'] })).toBeUndefined();
    expect(graph.endlessThrough({ roleId: 's*', scopes: ['assume:sa<..>'] })).toEqual(['s*', 's*']);
  });
});

describe('over any history of changes', () => {
  const word = fc.stringMatching(/^[ab]{0,3}$/);
  const roleId = fc
    .tuple(fc.stringMatching(/^[ab]{1,3}$/), fc.constantFrom('', '', '*'))
    .map(([text, star]) => text + star);
  const scope = fc.oneof(
    fc.tuple(word, fc.constantFrom('', '', '*')).map(([text, star]) => `assume:${text}${star}`),
    fc.tuple(word, word).map(([before, after]) => `assume:${before}<..>${after}`),
    fc.tuple(word, fc.constantFrom('', '<..>', '<..>b', '*')).map(([text, end]) => `x:${text}${end}`),
    fc.constantFrom('ass*', 'a*', 'x', 'as<..>', '<..>'),
  );
  const change = fc.record({ roleId, scopes: fc.option(fc.uniqueArray(scope, { maxLength: 4 })) });
  const numRuns = Number(process.env['HISTORIES'] ?? 500);

  test('every expansion is the one that the plain rules give, and every cycle is found', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), fc.array(scope, { maxLength: 3 }), (history, held) => {
        const graph = new RoleGraph<PlainRole>();
        const plain = new Map<string, PlainRole>();
        for (const { roleId: id, scopes } of history) {
          if (scopes === null) {
            graph.delete(id);
            plain.delete(id);
          } else {
            const role = { roleId: id, scopes };
            const onCycle = plainIsOnCycle([...new Map(plain).set(id, role).values()], id);
            expect(graph.cycleThrough(role) !== undefined).toBe(onCycle);
            if (graph.endlessThrough(role)) continue;
            graph.set(role);
            plain.set(id, role);
          }
          const roles = [...plain.values()];
          expect(graph.expand(held)).toEqual(plainExpansion(roles, held));
          for (const each of plain.keys())
            expect(graph.expandRole(each)).toEqual(plainExpansion(roles, [`assume:${each}`]));
        }
      }),
      { numRuns },
    );
  });
});
