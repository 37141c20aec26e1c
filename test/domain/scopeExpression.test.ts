import { describe, expect, test } from '@jest/globals';
import { missingScopes, renderExpression } from '../../src/domain/scopeExpression.ts';

describe('a scope expression', () => {
  const create = { AllOf: ['create:<id>', { for: 'scope', in: 'scopes', each: '<scope>' }] };

  test('is filled in with parameters, and with one part for each entry of a list', () => {
    expect(renderExpression(create, { id: 'a/<b>', scopes: ['x', '<y>'] })).toEqual({
      AllOf: ['create:a/<b>', 'x', '<y>'],
    });
    expect(renderExpression({ for: 'p', in: 'ps', each: 'a:<p>:<q>' }, { ps: ['1', '2'], q: 'z' })).toEqual({
      AllOf: ['a:1:z', 'a:2:z'],
    });
  });

  test('chooses by a flag', () => {
    const either = { if: 'readOnly', then: { AnyOf: ['read', 'write'] }, else: 'write' };
    expect(renderExpression(either, { readOnly: true })).toEqual({ AnyOf: ['read', 'write'] });
    expect(renderExpression(either, { readOnly: false })).toBe('write');
    expect(renderExpression({ if: 'x', then: 'a' }, { x: false })).toEqual({ AllOf: [] });
  });

  test('needs all of its parameters', () => {
    expect(() => renderExpression(create, { id: 'a' })).toThrow(/scopes/);
    expect(() => renderExpression('a:<constructor>', {})).toThrow(/constructor/);
  });

  test('is missing what is not held; of several ways, what the shortest is missing', () => {
    expect(missingScopes('ab', ['a*'])).toBeUndefined();
    expect(missingScopes({ AllOf: ['a', 'b', 'c'] }, ['b'])).toEqual(['a', 'c']);
    expect(missingScopes({ AllOf: [] }, [])).toBeUndefined();
    expect(missingScopes({ AnyOf: [{ AllOf: ['a', 'b'] }, 'c'] }, [])).toEqual(['c']);
    expect(missingScopes({ AnyOf: [{ AllOf: ['a', 'b'] }, 'c'] }, ['a', 'b'])).toBeUndefined();
  });
});
