import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { circlesFrom } from '../../src/domain/circlesFrom.ts';

type Ways = Record<string, string[]>;

const circlesIn = (ways: Ways, start: string): string[][] => [
  ...circlesFrom(start, (node) => ways[node] ?? []),
];

/** All that can be reached from a node, itself left out unless it lies on a circle. */
function reachedIn(ways: Ways, start: string): Set<string> {
  const found = new Set(ways[start]);
  for (const node of found) for (const next of ways[node] ?? []) found.add(next);
  return found;
}

describe('circles', () => {
  test('hold those that reach each other, and come after all that they reach', () => {
    const ways = { a: ['b'], b: ['c'], c: ['b', 'd'], d: [], elsewhere: ['a'] };
    expect(circlesIn(ways, 'a')).toEqual([['d'], ['b', 'c'], ['a']]);
  });

  test('are found in every graph', () => {
    const node = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
    const ways = fc.dictionary(node, fc.uniqueArray(node, { maxLength: 3 }), { noNullPrototype: true });
    fc.assert(
      fc.property(ways, (given) => {
        const circles = circlesIn(given, 'a');
        const all = circles.flat();
        expect(new Set(all)).toEqual(reachedIn(given, 'a').add('a'));
        expect(new Set(all).size).toBe(all.length);
        for (const [at, circle] of circles.entries()) {
          const sofar = new Set(circles.slice(0, at + 1).flat());
          for (const one of circle) {
            const reached = reachedIn(given, one);
            for (const other of all) {
              const together = one === other || (reached.has(other) && reachedIn(given, other).has(one));
              expect(circle.includes(other)).toBe(together);
            }
            for (const other of reached) expect(sofar).toContain(other);
          }
        }
      }),
    );
  });
});
