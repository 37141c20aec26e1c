import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { WayMatcher } from '../../src/domain/wayMatcher.ts';
import type { Way } from '../../src/domain/waysTo.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';

const texts = (letters: string, maxLength: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...letters), { maxLength }).map((all) => all.join(''));

const ways: fc.Arbitrary<Way[]> = fc.uniqueArray(
  fc.record({ kind: fc.constantFrom('equal', 'starting', 'starred-prefix'), text: texts('ab', 5) }),
  { selector: ({ kind, text }) => `${kind} ${text}`, maxLength: 20 },
);

function isOn({ kind, text }: Way, scope: string): boolean {
  if (kind === 'equal') return scope === text;
  if (kind === 'starting') return scope.startsWith(text);
  return scope.endsWith('*') && text.startsWith(scope.slice(0, -1));
}

const matcherOf = (all: Way[]): WayMatcher => runToCompletion(WayMatcher.of(all, new WorkBudget()));

test('the first of many ways is found that a scope is on', () => {
  fc.assert(
    fc.property(ways, fc.array(texts('ab*', 6), { maxLength: 5 }), (all, scopes) => {
      const found = runToCompletion(matcherOf(all).find(scopes, new WorkBudget()));
      const way = all.find((each) => scopes.some((scope) => isOn(each, scope)));
      expect(found).toEqual(way && { held: scopes.find((scope) => isOn(way, scope)), way });
    }),
    { numRuns: 1000 },
  );
});

test('the more beginnings ways have that begin with one another, the more work a scope is', () => {
  const unitsWith = (beginnings: number): number => {
    const all = Array.from({ length: beginnings }, (_, i): Way => ({
      kind: 'starting',
      text: 'b'.repeat(i),
    }));
    const work = new WorkBudget();
    runToCompletion(matcherOf(all).find(['c'], work));
    return work.units;
  };
  expect(unitsWith(2)).toBe(1);
  expect(unitsWith(900)).toBe(91);
});

test('many ways are prepared for in time slices', () => {
  const all = (kind: Exclude<Way['kind'], 'role'>) =>
    Array.from({ length: 30_000 }, (_, i): Way => ({ kind, text: `t${i}` }));
  for (const kind of ['equal', 'starting', 'starred-prefix'] as const) {
    const preparing = WayMatcher.of(all(kind), new WorkBudget());
    for (let slices = 1; slices <= 3; slices += 1) expect(preparing.next().done).toBe(false);
  }
});
