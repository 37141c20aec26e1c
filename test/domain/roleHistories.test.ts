import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { plainCycleLength, plainDependsOn, plainExpansion, type PlainRole } from './plainExpansion.ts';

const HISTORIES = Number(process.env['HISTORIES'] ?? 300);

/** `scopes` are null where the role is deleted; `held` are asked for after the change. */
type Step = { roleId: string; scopes: string[] | null; held: string[]; looksAtAll: boolean };

/** Ids and scopes of few letters, which meet in all ways there are, also in those that nobody would write. */
function anyhow(): fc.Arbitrary<Step> {
  const word = fc.stringMatching(/^[ab]{0,3}$/);
  const roleId = fc.oneof(
    { weight: 9, arbitrary: fc.stringMatching(/^[ab]{1,3}[*]?$/) },
    { weight: 1, arbitrary: fc.constantFrom('*', 'a*b', '<..>*') },
  );
  const scope = fc.oneof(
    fc.tuple(word, fc.constantFrom('', '', '*')).map(([text, star]) => `assume:${text}${star}`),
    fc.tuple(word, word).map(([before, after]) => `assume:${before}<..>${after}`),
    fc.tuple(word, fc.constantFrom('', '<..>', '<..>b', '*')).map(([text, end]) => `x:${text}${end}`),
    fc.constantFrom('ass*', 'a*', 'x', 'as<..>', '<..>', 'assume:a*b', 'assume:<..>:<..>'),
  );
  return fc.record({
    roleId,
    scopes: fc.option(fc.uniqueArray(scope, { maxLength: 4 })),
    held: fc.array(scope, { maxLength: 3 }),
    looksAtAll: fc.boolean(),
  });
}

/**
 * Roles of four kinds, most of which hand their parameter on to those of a later kind: long chains, diamonds, the same role
 * with several parameters, and stars among these.
 */
function handingOn(): fc.Arbitrary<Step> {
  const kinds = ['p', 'q', 'r', 's'];
  const kind = fc.nat(3);
  const text = fc.constantFrom('', '', 'a', 'ab');
  const end = fc.constantFrom('', '', '', 'a', 'b', ':x', '*');
  const after = fc.constantFrom(1, 1, 1, 2, 2, 3, 0);
  const scopeOf = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(after, text, end).map(([by, start, rest]) => ({ by, rest: `${start}<..>${rest}` })),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(after, fc.constantFrom('', 'a', 'ab', 'abc', '*', 'a*'))
        .map(([by, rest]) => ({ by, rest })),
    },
    {
      weight: 2,
      arbitrary: fc
        .constantFrom('x:<..>', 'x:<..>:y', 'x:a*', 'x:ab', 'assume:*')
        .map((rest) => ({ by: undefined, rest })),
    },
  );
  return fc
    .record({
      kind,
      id: fc.constantFrom('*', '*', '*', 'a*', 'ab*', '', 'a', 'ab'),
      scopes: fc.option(fc.array(scopeOf, { minLength: 1, maxLength: 4 }), { freq: 6 }),
      held: fc.array(fc.tuple(kind, fc.constantFrom('', 'a', 'ab', 'abc', 'b', '*', 'a*')), { maxLength: 3 }),
      looksAtAll: fc.boolean(),
    })
    .map(({ kind: at, id, scopes, held, looksAtAll }) => ({
      roleId: kinds[at]! + id,
      scopes: scopes && [
        ...new Set(
          scopes.map(({ by, rest }) => (by === undefined ? rest : `assume:${kinds[(at + by) % 4]}${rest}`)),
        ),
      ],
      held: held.map(([of, rest]) => `assume:${kinds[of]}${rest}`),
      looksAtAll,
    }));
}

test.each([
  ['of any roles', anyhow(), 12],
  ['of roles that hand parameters on', handingOn(), 20],
])(
  'over any history %s every expansion is the one that the plain rules give, and every cycle is found',
  (_, step, maxLength) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength, size: 'max' }), (history) => {
        const graph = new RoleGraph<PlainRole>();
        const roles = new Map<string, PlainRole>();
        for (const { roleId, scopes, held, looksAtAll } of history) {
          if (scopes === null) {
            graph.delete(roleId);
            roles.delete(roleId);
          } else if (mayBeSet({ roleId, scopes }, graph, [...roles.values()])) {
            graph.set({ roleId, scopes });
            roles.set(roleId, { roleId, scopes });
          }
          const all = [...roles.values()];
          expect(graph.expand(held)).toEqual(plainExpansion(all, held));
          // Not always: then some lists are made long after the changes that they depend on.
          if (looksAtAll) expectSameExpansions(graph, all);
        }
        expectSameExpansions(graph, [...roles.values()]);
      }),
      { numRuns: HISTORIES },
    );
  },
  30_000 + HISTORIES * 50,
);

function expectSameExpansions(graph: RoleGraph<PlainRole>, roles: PlainRole[]): void {
  expect(graph.idsAfter(undefined, Infinity)).toEqual(roles.map((role) => role.roleId).sort());
  for (const { roleId } of roles)
    expect(graph.expandRole(roleId)).toEqual(plainExpansion(roles, [`assume:${roleId}`]));
}

/** Checks what the graph says of a role's cycles, and whether it may be set, as its expansion ends. */
function mayBeSet(role: PlainRole, graph: RoleGraph<PlainRole>, others: PlainRole[]): boolean {
  const after = [...others.filter(({ roleId }) => roleId !== role.roleId), role];
  const cycle = graph.cycleThrough(role);
  expect(cycle && cycle.length - 1).toBe(plainCycleLength(after, role.roleId));
  const endless = graph.endlessThrough(role);
  for (const way of [cycle, endless]) if (way) expectCycle(way, role, after);
  return endless === undefined;
}

function expectCycle(ids: string[], role: PlainRole, roles: PlainRole[]): void {
  expect([ids[0], ids.at(-1)]).toEqual([role.roleId, role.roleId]);
  const along = ids.map((id) => roles.find((each) => each.roleId === id)!);
  for (const [at, each] of along.slice(0, -1).entries())
    expect(plainDependsOn(each, along[at + 1]!.roleId)).toBe(true);
}
