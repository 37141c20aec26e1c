import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { roleChecks } from '../roleChecks.ts';
import { MAX_FAN_OUT } from '../../src/domain/parameterFanOut.ts';
import { ROLE_LIMITS } from '../../src/domain/roleTotals.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { sharedFile, testWithShared } from '../sharedData.ts';
import { anyRoles, forwardingRoles } from './anyRoles.ts';
import { plainExpansion, type PlainRole } from './plainExpansion.ts';
import { histories } from '../histories.ts';

function graphOf(roles: Iterable<PlainRole>, limits = {}): RoleGraph<PlainRole> {
  const graph = new RoleGraph<PlainRole>({ ...ROLE_LIMITS, ...limits });
  graph.load(roles);
  return graph;
}

const many = (count: number, scopeOf: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => scopeOf(i));

describe('a role is refused', () => {
  const maker = { roleId: 'b*', scopes: many(999, (i) => `x/${i}<..>`) };

  test('whose fan-out is too large because it passes its parameter on in very many ways', () => {
    const graph = graphOf([maker]);
    const scopes = many(1900, (i) => `assume:b<..>${i}`);
    expect(roleChecks(graph).limitViolation({ roleId: 'a*', scopes })?.message).toMatch(
      /role 'a\*' .* 10000 scopes may come of one/,
    );
    expect(roleChecks(graph).limitViolation({ roleId: 'a*', scopes: scopes.slice(0, 9) })).toBeUndefined();
  });

  test('that makes the fan-out of a role too large which passes a parameter on to it', () => {
    const graph = graphOf([{ roleId: 'a*', scopes: many(900, (i) => `assume:b<..>${i}`) }]);
    expect(roleChecks(graph).limitViolation({ ...maker, scopes: maker.scopes.slice(0, 9) })).toBeUndefined();
    expect(roleChecks(graph).limitViolation(maker)?.message).toMatch("role 'a*'");
  });

  test('that has very many granting scopes, before any of them is followed', () => {
    const graph = graphOf([]);
    expect(
      roleChecks(graph).limitViolation({ roleId: 'a', scopes: many(2001, (i) => `assume:${i}`) })?.message,
    ).toMatch(/2001 .* 2000/);
    expect(
      roleChecks(graph).limitViolation({ roleId: 'a', scopes: many(9000, (i) => `queue:${i}`) }),
    ).toBeUndefined();
  });

  test('with which all roles together have too many scopes, those derived by parameters included', () => {
    const graph = graphOf([{ roleId: 'p*', scopes: many(10, (i) => `x${i}:<..>`) }], { scopes: 100 });
    expect(
      roleChecks(graph).limitViolation({ roleId: 'a', scopes: many(70, (i) => `y${i}`) }),
    ).toBeUndefined();
    expect(
      roleChecks(graph).limitViolation({ roleId: 'a', scopes: many(80, (i) => `y${i}`) })?.message,
    ).toMatch('MAX_ROLE_SCOPES');
    expect(
      roleChecks(graph).limitViolation({ roleId: 'a', scopes: many(6, (i) => `assume:p${i}`) }),
    ).toBeUndefined();
    expect(
      roleChecks(graph).limitViolation({ roleId: 'a', scopes: many(7, (i) => `assume:p${i}`) })?.message,
    ).toMatch('MAX_ROLE_SCOPES');
  });

  test('that exceeded a limit before it was introduced, and would have more', () => {
    const stored = { roleId: 'a*', scopes: many(900, (i) => `assume:b<..>${i}`) };
    const graph = graphOf([maker, stored]);
    expect(roleChecks(graph).limitViolation({ ...stored, scopes: [...stored.scopes, 'y'] })?.message).toMatch(
      "role 'a*'",
    );
    expect(roleChecks(graph).limitViolation({ roleId: 'c', scopes: ['y'] })).toBeUndefined();
  });

  test('but never for losing scopes', () => {
    const stored = { roleId: 'a*', scopes: many(3000, (i) => `assume:b<..>${i}`) };
    const graph = graphOf([maker, stored], { scopes: 100 });
    expect(
      roleChecks(graph).limitViolation({ ...stored, scopes: stored.scopes.slice(0, 2900) }),
    ).toBeUndefined();
    expect(roleChecks(graph).limitViolation({ ...maker, scopes: maker.scopes.slice(1) })).toBeUndefined();
    expect(roleChecks(graph).limitViolation({ ...maker, scopes: [...maker.scopes, 'y'] })?.message).toMatch(
      'MAX_ROLE_SCOPES',
    );
    graph.delete('a*');
    graph.delete('b*');
    expect(roleChecks(graph).scopeTotal).toBe(0);
  });
});

test.each([
  ['any roles', anyRoles()],
  ['roles that pass parameters on', forwardingRoles()],
])('over any history of %s the total is that of the present roles, and bounds each expansion', (_, step) => {
  let largest = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 14, size: 'max' }), (history) => {
      const graph = graphOf([]);
      const roles = new Map<string, PlainRole>();
      for (const { roleId, scopes } of history) {
        if (
          scopes &&
          (roleChecks(graph).unboundedCycleThrough({ roleId, scopes }) ||
            roleChecks(graph).limitViolation({ roleId, scopes }))
        )
          continue;
        if (scopes) graph.set({ roleId, scopes });
        else graph.delete(roleId);
        if (scopes) roles.set(roleId, { roleId, scopes });
        else roles.delete(roleId);
      }
      const all = [...roles.values()];
      expect(roleChecks(graph).scopeTotal).toBe(roleChecks(graphOf(all)).scopeTotal);
      const held = all.flatMap(({ roleId, scopes }) => [`assume:${roleId}`, ...scopes]);
      for (const scope of ['assume:*', ...held]) {
        // A parameter from the held scope itself is not part of the total: its fan-out has its own limit.
        const made = scope === 'assume:*' ? 10 + roleChecks(graph).scopeTotal : MAX_FAN_OUT.scopes;
        const work = new WorkBudget({ limit: roleChecks(graph).scopeTotal + made });
        const expanded = runToCompletion(graphOf(all).expandInSlices([scope], work));
        expect(expanded).toEqual(plainExpansion(all, [scope]));
        largest = Math.max(largest, expanded.length);
      }
    }),
    histories(100),
  );
  expect(largest).toBeGreaterThan(8);
});

/** Copies of the roles under other names, which grant each other likewise. */
function repeated(roles: PlainRole[], times: number): PlainRole[] {
  const renamed = (scope: string, i: number): string =>
    scope.replace(/^(assume:)?([a-z0-9-]+:)?/, `$1$2${i}-`);
  return Array.from({ length: times }, (_, i) =>
    roles.map(({ roleId, scopes }) => ({
      roleId: renamed(roleId, i),
      scopes: scopes.map((scope) => (i === 0 ? scope : renamed(scope, i))),
    })),
  ).flat();
}

testWithShared(
  'data/taskcluster-roles.json',
  'nothing that production roles expand to is too large, nor with ten times as many roles',
  () => {
    const real = JSON.parse(readFileSync(sharedFile('data/taskcluster-roles.json'), 'utf8')) as PlainRole[];
    for (const roles of [real, repeated(real, 10)]) {
      const graph = graphOf([]);
      for (const role of roles) {
        expect(roleChecks(graph).limitViolation(role)).toBeUndefined();
        graph.set(role);
      }
      expect(roleChecks(graph).scopeTotal * 4).toBeLessThan(ROLE_LIMITS.scopes);
      const held = roles.map(({ roleId }) => `assume:${roleId}`);
      for (const scopes of [['assume:*'], held, ...held.map((scope) => [scope])]) {
        const expanded = graph.expand(scopes);
        if (expanded.length > 1000) expect(graph.expand(expanded)).toEqual(expanded);
      }
    }
  },
);
