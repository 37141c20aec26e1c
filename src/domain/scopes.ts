import { WorkBudget } from './workBudget.ts';
import { runToCompletion, type TimeSliced } from './timeSliced.ts';
import { sameList } from './sameList.ts';

/**
 * Scopes are strings of printable ASCII. One that ends in `*` covers every scope that begins with the text before the
 * star. A scope set is in normal form if it is sorted (`compareScopes`) and no scope in it equals or covers another.
 */

const VALID = /^[ -~]*$/;

/** Whether a value is a scope: a string of printable ASCII. */
export function isValidScope(value: unknown): value is string {
  return typeof value === 'string' && VALID.test(value);
}

/** Whether `scope` covers `other`: holding it includes holding the other. */
export function covers(scope: string, other: string): boolean {
  if (scope === other) return true;
  if (!scope.endsWith('*')) return false;
  // Compares backwards and without substrings: this is the innermost loop of merging, and most scopes share prefixes.
  let at = scope.length - 2;
  while (at >= 0 && scope.charCodeAt(at) === other.charCodeAt(at)) at -= 1;
  return at < 0;
}

/**
 * The order of scope sets: by code units, except that a star at the end of a scope sorts before any other character and
 * before the end of the string. So `a*` is directly followed by all that it covers: `a*`, `a`, `a!`, `ab*`, `ab`.
 */
export function compareScopes(a: string, b: string): number {
  if (a === b) return 0;
  // `a*` and `a**` cover each other: the shorter comes first.
  if (a.length > b.length) return -compareScopes(b, a);
  if (covers(a, b)) return -1;
  if (covers(b, a)) return 1;
  return a < b ? -1 : 1;
}

/** The normal form of scopes in any order. */
export function normalize(scopes: readonly string[]): string[] {
  return dropCovered(scopes.toSorted(compareScopes));
}

/** The normal form of sorted scopes: without repeated ones and those that another covers. */
export function dropCovered(sorted: readonly string[]): string[] {
  const normal: string[] = [];
  let last: string | undefined;
  for (const scope of sorted) {
    if (last !== undefined && covers(last, scope)) continue;
    normal.push(scope);
    last = scope;
  }
  return normal;
}

/** Like `dropCovered`, in time slices. */
export function* dropCoveredInSlices(sorted: readonly string[], work: WorkBudget): TimeSliced<string[]> {
  const normal: string[] = [];
  for (let from = 0; from < sorted.length; from += CHUNK_LENGTH) {
    const last = normal.at(-1);
    for (const scope of dropCovered(sorted.slice(from, from + CHUNK_LENGTH)))
      if (last === undefined || !covers(last, scope)) normal.push(scope);
    if (work.spend(CHUNK_LENGTH)) yield;
  }
  return normal;
}

/** Scopes that are processed without checking the slice. */
const CHUNK_LENGTH = 1000;
/** Units of work for each scope of a chunk that is sorted. */
const SORT_UNITS = 4;

/** Like `normalize`, in time slices. */
export function* normalizeInSlices(
  scopes: readonly string[],
  work: WorkBudget,
): TimeSliced<readonly string[]> {
  const sorted: string[][] = [];
  for (let from = 0; from < scopes.length; from += CHUNK_LENGTH) {
    const chunk = scopes.slice(from, from + CHUNK_LENGTH);
    if (work.spend(SORT_UNITS * chunk.length)) yield;
    sorted.push(normalize(chunk));
  }
  return yield* mergeInSlices(sorted, work);
}

/** Sorts scopes by `compareScopes`, keeping repeated and covered ones, in time slices. */
export function* sortInSlices(scopes: readonly string[], work: WorkBudget): TimeSliced<string[]> {
  let chunks: string[][] = [];
  for (let from = 0; from < scopes.length; from += CHUNK_LENGTH) {
    const chunk = scopes.slice(from, from + CHUNK_LENGTH);
    if (work.spend(SORT_UNITS * chunk.length)) yield;
    chunks.push(chunk.sort(compareScopes));
  }
  while (chunks.length > 1) {
    const next: string[][] = [];
    for (let i = 0; i < chunks.length; i += 2)
      next.push(i + 1 < chunks.length ? yield* mergeSorted(chunks[i]!, chunks[i + 1]!, work) : chunks[i]!);
    chunks = next;
  }
  return chunks[0] ?? [];
}

/** Merges two sorted lists, keeping repeated and covered scopes, in time slices. */
export function* mergeSorted(
  one: readonly string[],
  other: readonly string[],
  work: WorkBudget,
): TimeSliced<string[]> {
  const all: string[] = [];
  let i = 0;
  let j = 0;
  while (i < one.length && j < other.length) {
    all.push(compareScopes(one[i]!, other[j]!) <= 0 ? one[i++]! : other[j++]!);
    if (work.spend()) yield;
  }
  for (; i < one.length; i += 1) all.push(one[i]!);
  for (; j < other.length; j += 1) all.push(other[j]!);
  return all;
}

/** The normal form of the union of several normal forms. They are merged pairwise, without sorting again. */
export function mergeNormal(lists: readonly (readonly string[])[]): readonly string[] {
  return runToCompletion(mergeInSlices(lists, new WorkBudget()));
}

/** Like `mergeNormal`, in time slices. */
export function* mergeInSlices(
  lists: readonly (readonly string[])[],
  work: WorkBudget,
): TimeSliced<readonly string[]> {
  const longest = lists.reduce((max, { length }) => Math.max(max, length), 0);
  const total = lists.reduce((sum, { length }) => sum + length, 0);
  // If one list is longer than all others together, merging these into it is fast.
  const isMany = lists.length > 2 && total > 2 * longest;
  let round = isMany ? yield* dropRepeated(lists, work) : lists.filter(({ length }) => length > 0);
  while (round.length > 1) {
    round.sort((a, b) => a.length - b.length);
    const next: (readonly string[])[] = [];
    for (let i = 0; i < round.length; i += 2)
      next.push(i + 1 < round.length ? yield* mergeTwo([round[i]!, round[i + 1]!], work) : round[i]!);
    round = next;
  }
  return round[0] ?? [];
}

/** Many lists mostly hold the same scopes. Dropping the repeated ones once is faster than merging them pairwise. */
function* dropRepeated(
  lists: readonly (readonly string[])[],
  work: WorkBudget,
): TimeSliced<(readonly string[])[]> {
  const seen = new Set<string>();
  const remaining: (readonly string[])[] = [];
  for (const list of lists) {
    const unseen: string[] = [];
    for (const scope of list) {
      if (work.spend()) yield;
      if (seen.has(scope)) continue;
      seen.add(scope);
      unseen.push(scope);
    }
    if (unseen.length > 0) remaining.push(unseen);
  }
  return remaining;
}

/**
 * A galloping merge. The lists alternate: one appends its run of scopes up to the next scope of the other, then the
 * other skips the scopes that the last one of that run covers. Example: of [a, b*, c] and [ba, bb, d] the first appends
 * a and b*; the second skips ba and bb, so that d is its next; the first appends c. The end of a run is found by
 * exponential search, because mostly a few scopes of a role are merged with the many that it is granted.
 */
function* mergeTwo(
  [one, other]: readonly [readonly string[], readonly string[]],
  work: WorkBudget,
): TimeSliced<readonly string[]> {
  const merged: string[] = [];
  let source = one;
  let follower = other;
  let from = 0;
  let next = 0;
  while (next < follower.length) {
    const start = from + next;
    const end = upperBound(source, follower[next]!, from);
    if (end > from) {
      for (; from < end; from += 1) merged.push(source[from]!);
      const last = source[end - 1]!;
      while (next < follower.length && covers(last, follower[next]!)) next += 1;
    }
    // Copying a long run is much cheaper than comparing.
    if (work.spend(2 + (from + next - start) / 8)) yield;
    [source, follower] = [follower, source];
    [from, next] = [next, from];
  }
  for (; from < source.length; from += 1) merged.push(source[from]!);
  return merged;
}

/**
 * The index, not before `from`, of the first scope that sorts after the given one. An exponential search from there.
 */
function upperBound(list: readonly string[], scope: string, from: number): number {
  let low = from;
  let high = from;
  for (let step = 1; high < list.length && compareScopes(list[high]!, scope) <= 0; step *= 2) {
    low = high + 1;
    high += step;
  }
  high = Math.min(high, list.length);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareScopes(list[middle]!, scope) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether two lists hold the same scopes, in any order. */
export function sameScopes(one: readonly string[], other: readonly string[]): boolean {
  return sameList(one.toSorted(compareScopes), other.toSorted(compareScopes));
}

/** Whether a normal form satisfies one scope. Only the last scope that does not sort after it can cover it. */
export function satisfies(have: readonly string[], need: string): boolean {
  const after = upperBound(have, need, 0);
  return after > 0 && covers(have[after - 1]!, need);
}

/** The needed scopes that a normal form does not satisfy. */
export function missingFrom(have: readonly string[], needs: readonly string[]): string[] {
  return needs.filter((need) => !satisfies(have, need));
}

/** Like `missingFrom`, in time slices. */
export function* missingInSlices(
  have: readonly string[],
  needs: readonly string[],
  work: WorkBudget,
): TimeSliced<string[]> {
  const missing: string[] = [];
  for (const need of needs) {
    if (!satisfies(have, need)) missing.push(need);
    if (work.spendUnlimited(LOOKUP_UNITS)) yield;
  }
  return missing;
}

/** Units of work for looking up one scope in a set. */
export const LOOKUP_UNITS = 5;
