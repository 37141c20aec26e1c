import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { explain, nearestTo } from '../../src/domain/explain.ts';
import { explainedPath, type Subject } from '../../src/domain/explainedPath.ts';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { type ConcreteExpression, missingScopes } from '../../src/domain/scopeExpression.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import { histories } from '../histories.ts';
import { anyRoles } from './anyRoles.ts';
import type { PlainRole } from './plainExpansion.ts';

function explanationOf(expression: ConcreteExpression, held: string[], roles: PlainRole[], limit = 10) {
  const graph = new RoleGraph();
  for (const role of roles) graph.set(role);
  const expanded = graph.expand(held);
  const work = new WorkBudget();
  const explained = runToCompletion(
    graph.inSnapshot((snapshot) => explain({ expression, held }, snapshot, { limit, work })),
  );
  return { explained, expanded };
}

describe('an explanation', () => {
  const roles = [
    { roleId: 'a', scopes: ['assume:b:x'] },
    { roleId: 'b:*', scopes: ['queue:<..>:y'] },
  ];

  test('has a line for each step, for people, with who added the grant', () => {
    const { explained } = explanationOf('queue:x:y', ['assume:a'], roles);
    const [scope] = explained.scopes;
    const source = { position: 'p', at: '2030-01-01T00:00:00.000Z', actor: 'someone', requestId: 'q' };
    const path = scope!.satisfied ? scope!.paths[0]! : undefined;
    const lines = (subject: Subject): string[] =>
      explainedPath(subject, path!, (_, id) => (id === 'a' ? source : undefined)).text;
    const steps = [
      '→ grants the role a, which has assume:b:x, since 2030-01-01T00:00:00.000Z by someone',
      '→ grants the role b:*, by the star of its id, which has queue:<..>:y with x: queue:x:y',
    ];
    expect(lines({ clientId: 'c' })).toEqual(['client c has assume:a', ...steps]);
    expect(lines({ roleId: 'a' })).toEqual(['whoever has the role a has assume:a', ...steps]);
    expect(lines({ scopes: ['assume:a'] })).toEqual(['whoever has these scopes has assume:a', ...steps]);
  });

  test('of a refusal names what is missing, of alternatives the smaller part', () => {
    const expression = { AnyOf: [{ AllOf: ['queue:x:y', 'queue:x:z'] }, { AllOf: ['p', 'q'] }] };
    const { explained } = explanationOf(expression, ['assume:a', 'r'], roles);
    expect(explained).toMatchObject({ satisfied: false, missing: ['queue:x:z'] });
    expect(explained.scopes[1]).toEqual({ scope: 'queue:x:z', satisfied: false });
  });

  test('names at most so many paths for all scopes together, but one for each', () => {
    const many = Array.from({ length: 20 }, (_, i) => ({ roleId: `r${i}`, scopes: ['x', 'y'] }));
    const held = many.map(({ roleId }) => `assume:${roleId}`);
    const { explained } = explanationOf({ AllOf: ['x', 'y'] }, held, many, 25);
    const paths = explained.scopes.map((each) => (each.satisfied ? [each.paths.length, each.pathCount] : []));
    expect(paths).toEqual([
      [12, 20],
      [13, 20],
    ]);
    const fewer = explanationOf({ AllOf: ['x', 'y'] }, held, many, 1).explained;
    expect(fewer.scopes).toMatchObject([{ paths: [{}] }, { paths: [{}] }]);
  });

  test('says the same as the check of the expression', () => {
    const expressions = fc.letrec<{ expression: ConcreteExpression }>((tie) => ({
      expression: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        fc.constantFrom('x:', 'x:a', 'x:ab', 'assume:a', 'assume:b*', 'x:b*'),
        fc.record({ AllOf: fc.array(tie('expression'), { maxLength: 3 }) }),
        fc.record({ AnyOf: fc.array(tie('expression'), { maxLength: 3 }) }),
      ),
    })).expression;
    fc.assert(
      fc.property(fc.array(anyRoles(), { maxLength: 6 }), expressions, (history, expression) => {
        const roles = history.flatMap(({ roleId, scopes }) =>
          scopes ? [{ roleId, scopes: scopes.filter((scope) => !scope.includes('<..>')) }] : [],
        );
        const unique = [...new Map(roles.map((role) => [role.roleId, role])).values()];
        const { explained, expanded } = explanationOf(expression, history[0]?.held ?? [], unique);
        const missing = runToCompletion(missingScopes(expression, expanded, new WorkBudget()));
        expect(explained.satisfied).toBe(missing === undefined);
        expect(explained.missing.length).toBeLessThanOrEqual(missing?.length ?? 0);
      }),
      histories(100),
    );
  });
});

test('the nearest scopes share the longest beginnings', () => {
  expect(nearestTo('queue:create:x', ['auth:*', 'queue:cancel:x', 'queue:create:w', 'secrets:get'])).toEqual([
    'queue:create:w',
    'queue:cancel:x',
  ]);
  expect(nearestTo('x', [])).toEqual([]);
});
