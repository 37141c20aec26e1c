import { atOnce, type Sliced, Work } from './work.ts';
import { sameList } from './sameList.ts';

/**
 * Scopes are texts of printable ASCII. One that ends in `*` covers every scope that begins with what stands before the
 * star. A scope set is in normal form when it is sorted, holds nothing twice, and nothing that another covers.
 */

const VALID = /^[ -~]*$/;

/** Whether a value is a scope at all. */
export function isValidScope(value: unknown): value is string {
  return typeof value === 'string' && VALID.test(value);
}

/** Whether holding `scope` is as good as holding `other`. */
export function covers(scope: string, other: string): boolean {
  if (scope === other) return true;
  if (!scope.endsWith('*')) return false;
  // Backwards, without cutting texts: scopes begin alike, and this is the innermost loop of all merging.
  let at = scope.length - 2;
  while (at >= 0 && scope.charCodeAt(at) === other.charCodeAt(at)) at -= 1;
  return at < 0;
}

/**
 * The order of scope sets: text order, but that a star at the end comes before everything else, also before the end of a
 * text. So `a*` comes directly before all that it covers: `a*`, `a`, `a!`, `ab*`, `ab`.
 */
export function compareScopes(a: string, b: string): number {
  if (a === b) return 0;
  // `a*` and `a**` cover each other: the shorter comes first.
  if (a.length > b.length) return -compareScopes(b, a);
  if (covers(a, b)) return -1;
  if (covers(b, a)) return 1;
  return a < b ? -1 : 1;
}

/** The normal form of any scopes. */
export function normalize(scopes: readonly string[]): string[] {
  return withoutCovered(scopes.toSorted(compareScopes));
}

/** Of scopes in order, those that none of them covers. */
export function withoutCovered(sorted: readonly string[]): string[] {
  const normal: string[] = [];
  let last: string | undefined;
  for (const scope of sorted) {
    if (last !== undefined && covers(last, scope)) continue;
    normal.push(scope);
    last = scope;
  }
  return normal;
}

/** The same as `withoutCovered`, in slices. */
export function* droppingCovered(sorted: readonly string[], work: Work): Sliced<string[]> {
  const normal: string[] = [];
  for (let from = 0; from < sorted.length; from += AT_A_TIME) {
    const last = normal.at(-1);
    for (const scope of withoutCovered(sorted.slice(from, from + AT_A_TIME)))
      if (last === undefined || !covers(last, scope)) normal.push(scope);
    if (work.spend(AT_A_TIME)) yield;
  }
  return normal;
}

/** Scopes that are sorted at a time. */
const AT_A_TIME = 1000;
/** What sorting one of these takes, in units of work. */
const SORTING = 4;

/** The same as `normalize`, in slices. */
export function* normalizing(scopes: readonly string[], work: Work): Sliced<readonly string[]> {
  const sorted: string[][] = [];
  for (let from = 0; from < scopes.length; from += AT_A_TIME) {
    const some = scopes.slice(from, from + AT_A_TIME);
    if (work.spend(SORTING * some.length)) yield;
    sorted.push(normalize(some));
  }
  return yield* merging(sorted, work);
}

/** Any scopes in their order, in slices. */
export function* sorting(scopes: readonly string[], work: Work): Sliced<string[]> {
  let parts: string[][] = [];
  for (let from = 0; from < scopes.length; from += AT_A_TIME) {
    const some = scopes.slice(from, from + AT_A_TIME);
    if (work.spend(SORTING * some.length)) yield;
    parts.push(some.sort(compareScopes));
  }
  while (parts.length > 1) {
    const next: string[][] = [];
    for (let i = 0; i < parts.length; i += 2)
      next.push(i + 1 < parts.length ? yield* inOrder(parts[i]!, parts[i + 1]!, work) : parts[i]!);
    parts = next;
  }
  return parts[0] ?? [];
}

/** All scopes of two lists in order. */
export function* inOrder(one: readonly string[], other: readonly string[], work: Work): Sliced<string[]> {
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

/** The normal form of several normal forms together, merged two by two without sorting anything again. */
export function mergeNormal(lists: readonly (readonly string[])[]): readonly string[] {
  return atOnce(merging(lists, new Work()));
}

/** The same as `mergeNormal`, in slices. */
export function* merging(lists: readonly (readonly string[])[], work: Work): Sliced<readonly string[]> {
  const longest = lists.reduce((most, { length }) => Math.max(most, length), 0);
  const total = lists.reduce((sum, { length }) => sum + length, 0);
  // Where one list outweighs all others, these are quickly put into it.
  const isMany = lists.length > 2 && total > 2 * longest;
  let round = isMany ? yield* withoutRepeated(lists, work) : lists.filter(({ length }) => length > 0);
  while (round.length > 1) {
    round.sort((a, b) => a.length - b.length);
    const next: (readonly string[])[] = [];
    for (let i = 0; i < round.length; i += 2)
      next.push(i + 1 < round.length ? yield* mergingTwo([round[i]!, round[i + 1]!], work) : round[i]!);
    round = next;
  }
  return round[0] ?? [];
}

/** Many lists mostly hold the same scopes: it is quicker to look for these once than to merge them again and again. */
function* withoutRepeated(lists: readonly (readonly string[])[], work: Work): Sliced<(readonly string[])[]> {
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
 * The lists take turns: one gives all that comes before the next of the other, then the other leaves out what the last of
 * these covers. Example: of [a, b*, c] and [ba, bb, d] the first gives a and b*; ba and bb are left out; d is still to
 * come, so that the first gives c. What one list gives at a time is found by searching: mostly a few scopes of a role are
 * merged with the many that it is granted.
 */
function* mergingTwo(
  [one, other]: readonly [readonly string[], readonly string[]],
  work: Work,
): Sliced<readonly string[]> {
  const merged: string[] = [];
  let giving = one;
  let waiting = other;
  let from = 0;
  let next = 0;
  while (next < waiting.length) {
    const begun = from + next;
    const end = firstAfter(giving, waiting[next]!, from);
    if (end > from) {
      for (; from < end; from += 1) merged.push(giving[from]!);
      const last = giving[end - 1]!;
      while (next < waiting.length && covers(last, waiting[next]!)) next += 1;
    }
    // A long run of one list is copied, which takes next to nothing.
    if (work.spend(2 + (from + next - begun) / 8)) yield;
    [giving, waiting] = [waiting, giving];
    [from, next] = [next, from];
  }
  for (; from < giving.length; from += 1) merged.push(giving[from]!);
  return merged;
}

/** Where in a sorted list, from an index on, the first stands that comes after a scope. Looks near that index first. */
function firstAfter(list: readonly string[], scope: string, from: number): number {
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

/** Whether two lists hold the same scopes, in whatever order. */
export function sameScopes(one: readonly string[], other: readonly string[]): boolean {
  return sameList(one.toSorted(compareScopes), other.toSorted(compareScopes));
}

/** Whether a normal form satisfies one scope: what covers it can only be the last one that is not after it. */
export function satisfies(have: readonly string[], need: string): boolean {
  const after = firstAfter(have, need, 0);
  return after > 0 && covers(have[after - 1]!, need);
}

/** The scopes that a normal form does not satisfy. */
export function missingFrom(have: readonly string[], needs: readonly string[]): string[] {
  return needs.filter((need) => !satisfies(have, need));
}

/** The same, in slices. */
export function* findingMissing(
  have: readonly string[],
  needs: readonly string[],
  work: Work,
): Sliced<string[]> {
  const missing: string[] = [];
  for (const need of needs) {
    if (!satisfies(have, need)) missing.push(need);
    if (work.pass(LOOKING)) yield;
  }
  return missing;
}

/** What it takes to look for one scope in a set, in units of work. */
export const LOOKING = 5;
