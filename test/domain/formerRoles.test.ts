import { expect, test } from '@jest/globals';
import { FormerRoles } from '../../src/domain/formerRoles.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';

/** Loads roles as they are missed, and says how much work finding them was. */
function load(all: Record<string, string[]>, scopes: string[], known = new FormerRoles()) {
  const candidates = (pattern: { exact: string } | { prefix: string }): string[] =>
    'exact' in pattern
      ? [pattern.exact].filter((id) => id in all || id.startsWith('gone'))
      : Object.keys(all).filter((id) => id.startsWith(pattern.prefix));
  const following = known.follow(scopes);
  let units = 0;
  const asked: string[] = [];
  for (;;) {
    const work = new WorkBudget();
    const missing = runToCompletion(known.missing(following, candidates, work));
    units += work.units;
    if (missing.size === 0) break;
    asked.push(...missing);
    for (const roleId of missing) {
      if (roleId in all) known.add({ roleId, scopes: all[roleId]! }, 1000);
      else known.addAbsent(roleId);
    }
  }
  const expanded = runToCompletion(known.expandInSlices(scopes, new WorkBudget()));
  return { known, units, asked, expanded };
}

test('only roles that scopes reach are asked for, each once, and those that were not there too', () => {
  const all = { a: ['assume:b', 'assume:gone'], b: ['assume:a', 'x'], other: ['y'] };
  const { known, asked, expanded } = load(all, ['assume:a']);
  expect(asked.sort()).toEqual(['a', 'b', 'gone']);
  expect(expanded).toEqual(['assume:a', 'assume:b', 'assume:gone', 'x']);
  expect(load(all, ['assume:b', 'assume:gone'], known).asked).toEqual([]);
  expect(load(all, ['assume:a', 'assume:other'], known).asked).toEqual(['other']);
});

test('a role whose id is the text of a pattern that was followed is followed too', () => {
  const all = { 'b*': ['assume:c'], c: ['x'] };
  expect(load(all, ['assume:b*']).expanded).toEqual(['assume:b*', 'assume:c', 'x']);
});

test('a chain of thousands of roles is followed once, however many rounds it takes to load them', () => {
  const length = 3000;
  const all = Object.fromEntries(
    Array.from({ length }, (_, i) => [`r${i}`, i + 1 < length ? [`assume:r${i + 1}`] : ['x']]),
  );
  const { asked, units } = load(all, ['assume:r0']);
  expect(asked).toHaveLength(length);
  expect(units).toBeLessThan(10 * length);
});

test('following long scopes takes work by their length, and is refused where they become too many', () => {
  const all = { 'p*': Array.from({ length: 1000 }, (_, i) => `assume:q/<..>/${i}`) };
  const unitsFor = (length: number): number => {
    const known = new FormerRoles();
    known.add({ roleId: 'p*', scopes: all['p*'] }, 1000);
    const work = new WorkBudget();
    const following = known.follow([`assume:p${'x'.repeat(length)}`]);
    runToCompletion(
      known.missing(
        following,
        (pattern) => ('exact' in pattern && pattern.exact.startsWith('p') ? ['p*'] : []),
        work,
      ),
    );
    return work.units;
  };
  expect(unitsFor(10_000)).toBeGreaterThan(100 * all['p*'].length);
  expect(() => unitsFor(20_000)).toThrow('expand to more than');
});

test('bytes grow with roles and notes, and not where a role is added again', () => {
  const known = new FormerRoles();
  const empty = known.bytes;
  known.add({ roleId: 'a', scopes: [] }, 1000);
  known.add({ roleId: 'a', scopes: [] }, 1000);
  expect(known.bytes).toBe(empty + 1000);
  known.addAbsent('b'.repeat(500));
  known.addAbsent('b'.repeat(500));
  expect(known.bytes).toBeGreaterThan(empty + 1500);
  expect(known.bytes).toBeLessThan(empty + 2000);
});
