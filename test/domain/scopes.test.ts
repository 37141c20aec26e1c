import { createRequire } from 'node:module';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  compareScopes,
  covers,
  isValidScope,
  mergeNormal,
  missingFrom,
  normalize,
  satisfies,
} from '../../src/domain/scopes.ts';

/** The published library, as an oracle. */
const published = createRequire(import.meta.url)('taskcluster-lib-scopes') as {
  normalizeScopeSet(scopes: string[]): string[];
  scopeCompare(a: string, b: string): number;
  mergeScopeSets(a: string[], b: string[]): string[];
  satisfiesExpression(have: string[], need: string): boolean;
};

const scope = fc.stringMatching(/^([ab!~*]{0,3}[ab!~])?[*]?$/);
const scopes = fc.array(scope, { maxLength: 8 });

describe('scopes', () => {
  test('one that ends in a star covers all that begin with the text before the star', () => {
    expect(covers('a*', 'a')).toBe(true);
    expect(covers('a*', 'ab*')).toBe(true);
    expect(covers('a*', 'b')).toBe(false);
    expect(covers('a', 'ab')).toBe(false);
  });

  test('one that ends in a star sorts directly before all that it covers', () => {
    expect(['ab', 'a', 'a!', 'a*', 'ab*', '*'].sort(compareScopes)).toEqual([
      '*',
      'a*',
      'a',
      'a!',
      'ab*',
      'ab',
    ]);
  });

  test('the normal form is sorted, without repeated or covered scopes', () => {
    expect(normalize(['b', 'ab*', 'a', 'abc', 'b'])).toEqual(['a', 'ab*', 'b']);
  });

  test('merging many sets gives the normal form of all of them', () => {
    fc.assert(
      fc.property(fc.array(scopes, { maxLength: 10 }), (sets) => {
        expect(mergeNormal(sets.map(normalize))).toEqual(normalize(sets.flat()));
      }),
    );
    expect(mergeNormal([])).toEqual([]);
    expect(mergeNormal([[], ['a']])).toEqual(['a']);
  });

  test('two stars are ordered as well, though each covers the other', () => {
    expect(normalize(['a**', 'a*'])).toEqual(['a*']);
    expect(normalize(['a*', 'a**'])).toEqual(['a*']);
  });

  test('only strings of printable ASCII are scopes', () => {
    expect(isValidScope('a b~')).toBe(true);
    expect(isValidScope('ä')).toBe(false);
    expect(isValidScope('a\n')).toBe(false);
    expect(isValidScope(1)).toBe(false);
  });

  test('missing is what is not satisfied', () => {
    expect(missingFrom(['a*', 'b'], ['abc', 'b', 'c', 'b*'])).toEqual(['c', 'b*']);
  });
});

describe('like the published library', () => {
  test('the order is the same', () => {
    fc.assert(
      fc.property(scope, scope, (a, b) =>
        expect(Math.sign(compareScopes(a, b))).toBe(Math.sign(published.scopeCompare(a, b))),
      ),
    );
  });

  test('the normal form is the same', () => {
    fc.assert(
      fc.property(scopes, (given) => {
        const sorted = [...given].sort(published.scopeCompare);
        expect(normalize(given)).toEqual(published.normalizeScopeSet(sorted));
      }),
    );
  });

  test('merging is the same', () => {
    fc.assert(
      fc.property(scopes, scopes, scopes, (a, b, c) => {
        const [one, two, three] = [normalize(a), normalize(b), normalize(c)];
        const both = published.mergeScopeSets(one, two);
        expect(mergeNormal([one, two])).toEqual(both);
        expect(mergeNormal([one, two, three])).toEqual(published.mergeScopeSets(both, three));
      }),
    );
  });

  test('satisfaction is the same', () => {
    fc.assert(
      fc.property(scopes, scope, (have, need) => {
        expect(satisfies(normalize(have), need)).toBe(published.satisfiesExpression(have, need));
      }),
    );
  });
});
