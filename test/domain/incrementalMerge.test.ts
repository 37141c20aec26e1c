import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { IncrementalMerge } from '../../src/domain/incrementalMerge.ts';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { mergeNormal, normalize } from '../../src/domain/scopes.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { plainExpansion, type PlainRole } from './plainExpansion.ts';

const RUNS = Number(process.env['HISTORIES'] ?? 200);
const scope = fc.stringMatching(/^[ab]{0,3}\*?$/);

function mergeOf(merge: IncrementalMerge, lists: ReadonlySet<readonly string[]>): readonly string[] {
  return runToCompletion(merge.of(lists, new WorkBudget()));
}

test('after lists are added and removed, the result is the merge of the present ones', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(scope, { maxLength: 5 }).map(normalize), { minLength: 1, maxLength: 8 }),
      fc.array(fc.array(fc.nat(7)), { minLength: 1, maxLength: 8 }),
      (lists, rounds) => {
        const merge = new IncrementalMerge();
        for (const round of rounds) {
          const present = new Set(round.map((i) => lists[i % lists.length]!));
          expect(mergeOf(merge, present)).toEqual(mergeNormal([...present]));
        }
      },
    ),
    { numRuns: RUNS },
  );
});

test('after few changes among very many scopes, the result is the merge of all lists', () => {
  const many = ['', 'a', 'ab', 'aba', 'b'].flatMap((start) =>
    Array.from({ length: 400 }, (_, i) => `${start}x${i}`),
  );
  const base = normalize(many);
  const list = fc.array(scope, { maxLength: 4 }).map(normalize);
  fc.assert(
    fc.property(fc.array(fc.tuple(list, list), { maxLength: 12 }), (rounds) => {
      const merge = new IncrementalMerge();
      mergeOf(merge, new Set([base]));
      for (const lists of [...rounds, []]) {
        const present = [base, ...lists];
        expect(mergeOf(merge, new Set(present)).join(' ')).toBe(mergeNormal(present).join(' '));
      }
    }),
    { numRuns: Math.min(RUNS, 1000) },
  );
});

test('an unchanged merge is the same array', () => {
  const merge = new IncrementalMerge();
  const first = mergeOf(merge, new Set([['a', 'b'], ['c']]));
  expect(mergeOf(merge, new Set([['a'], ['b', 'c']]))).toBe(first);
  expect(mergeOf(merge, new Set([['a'], ['c']]))).toEqual(['a', 'c']);
});

test('a scope that grants hundreds of roles expands like the oracle after every change', () => {
  const change = fc.record({
    roleId: fc.nat(150).map((i) => (i % 10 === 0 ? `r${i}/*` : `r${i}`)),
    scopes: fc.option(
      fc.array(
        fc.oneof(
          scope,
          fc.nat(150).map((i) => `assume:r${i}`),
          fc.constant('assume:r1*'),
        ),
        { maxLength: 3 },
      ),
    ),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 10 }), (changes) => {
      const roles = new Map<string, PlainRole>(
        Array.from({ length: 150 }, (_, i) => [
          `r${i}`,
          { roleId: `r${i}`, scopes: [`x${i % 40}`, `assume:r${i + 1}`] },
        ]),
      );
      roles.set('all', { roleId: 'all', scopes: ['assume:*', 'y'] });
      const graph = new RoleGraph<PlainRole>();
      graph.load(roles.values());
      for (const { roleId, scopes } of changes) {
        if (scopes) roles.set(roleId, { roleId, scopes });
        else roles.delete(roleId);
        if (scopes) graph.set({ roleId, scopes });
        else graph.delete(roleId);
        for (const question of [['assume:*'], ['assume:all', 'x1'], ['assume:r1*']])
          expect(graph.expand(question)).toEqual(plainExpansion([...roles.values()], question));
      }
    }),
    { numRuns: Math.min(RUNS, 15) },
  );
});
