import { createRequire } from 'node:module';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type ConcreteExpression,
  missingScopes,
  requiredPart,
  renderExpression,
} from '../../src/domain/scopeExpression.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { missingFrom, normalize } from '../../src/domain/scopes.ts';

/** The published library, as an oracle. */
const published = createRequire(import.meta.url)('taskcluster-lib-scopes') as {
  satisfiesExpression(have: string[], expression: ConcreteExpression): boolean;
};

const missing = (expression: ConcreteExpression, have: readonly string[]) =>
  runToCompletion(missingScopes(expression, have, new WorkBudget()));

describe('a scope expression', () => {
  const create = { AllOf: ['create:<id>', { for: 'scope', in: 'scopes', each: '<scope>' }] };

  test('gets its parameters substituted, and one scope for each entry of a list', () => {
    expect(renderExpression(create, { id: 'a/<b>', scopes: ['x', '<y>'] })).toEqual({
      AllOf: ['create:a/<b>', 'x', '<y>'],
    });
    expect(renderExpression({ for: 'p', in: 'ps', each: 'a:<p>:<q>' }, { ps: ['1', '2'], q: 'z' })).toEqual({
      AllOf: ['a:1:z', 'a:2:z'],
    });
  });

  test('has a part that some parameters alone decide', () => {
    expect(requiredPart(create, ['id'])).toBe('create:<id>');
    expect(requiredPart({ AllOf: ['a', 'create:<id>', 'x:<other>'] }, ['id'])).toEqual({
      AllOf: ['a', 'create:<id>'],
    });
    expect(requiredPart('get:<id>', ['id'])).toBe('get:<id>');
    expect(requiredPart('get:<id>', [])).toBeUndefined();
    expect(requiredPart({ AnyOf: ['a', 'b:<other>'] }, ['id'])).toBeUndefined();
  });

  test('chooses by a flag', () => {
    const either = { if: 'readOnly', then: { AnyOf: ['read', 'write'] }, else: 'write' };
    expect(renderExpression(either, { readOnly: true })).toEqual({ AnyOf: ['read', 'write'] });
    expect(renderExpression(either, { readOnly: false })).toBe('write');
    expect(renderExpression({ if: 'x', then: 'a' }, { x: false })).toEqual({ AllOf: [] });
    const more = { AllOf: ['a', { if: 'x', then: { AllOf: ['b', 'c'] } }] };
    expect(renderExpression(more, { x: true })).toEqual({ AllOf: ['a', 'b', 'c'] });
    expect(renderExpression(more, { x: false })).toEqual({ AllOf: ['a'] });
  });

  test('needs all of its parameters', () => {
    expect(() => renderExpression(create, { id: 'a' })).toThrow(/scopes/);
    expect(() => renderExpression('a:<constructor>', {})).toThrow(/constructor/);
  });

  test('lacks what is not held; of several alternatives, what the shortest lacks', () => {
    expect(missing('ab', ['a*'])).toBeUndefined();
    expect(missing({ AllOf: ['a', 'b', 'c'] }, ['b'])).toEqual(['a', 'c']);
    expect(missing({ AllOf: [] }, [])).toBeUndefined();
    expect(missing({ AnyOf: [{ AllOf: ['a', 'b'] }, 'c'] }, [])).toEqual(['c']);
    expect(missing({ AnyOf: [{ AllOf: ['a', 'b'] }, 'c'] }, ['a', 'b'])).toBeUndefined();
  });

  test('without any alternative is never satisfied', () => {
    expect(missing({ AnyOf: [] }, ['*'])).toEqual([]);
    expect(missing({ AllOf: ['a', { AnyOf: [] }] }, ['a'])).toEqual([]);
  });

  test('is satisfied just when the published library says so', () => {
    const scope = fc.stringMatching(/^[ab]{0,2}[*]?$/);
    const { expression } = fc.letrec<{ expression: ConcreteExpression }>((tie) => {
      const parts = fc.array(tie('expression'), { maxLength: 3 });
      return {
        expression: fc.oneof(
          { maxDepth: 3 },
          scope,
          fc.record({ AllOf: parts }, { noNullPrototype: true }),
          fc.record({ AnyOf: parts }, { noNullPrototype: true }),
        ),
      };
    });
    fc.assert(
      fc.property(expression, fc.array(scope, { maxLength: 5 }), (needed, have) => {
        const lacking = missing(needed, normalize(have));
        expect(lacking === undefined).toBe(published.satisfiesExpression(have, needed));
        if (lacking) expect(missingFrom(normalize(have), lacking)).toEqual(lacking);
      }),
      { numRuns: 1000 },
    );
  });
});
