/**
 * Scopes are texts of printable ASCII. One that ends in `*` covers every scope that begins with what stands before the
 * star. A scope set is in normal form when it is sorted, holds nothing twice, and nothing that another covers.
 */

const VALID = /^[ -~]*$/;

/** Whether a value is a scope at all. */
export function isValidScope(value: unknown): value is string {
  return typeof value === 'string' && VALID.test(value);
}

function endsInStar(scope: string): boolean {
  return scope.charCodeAt(scope.length - 1) === 42;
}

/**
 * The order of scope sets: text order, but that a star at the end comes before everything else, also before the end of a
 * text. So `a*` comes directly before all that it covers: `a*`, `a`, `a!`, `ab*`, `ab`.
 */
export function compareScopes(a: string, b: string): number {
  if (a === b) return 0;
  const aStar = endsInStar(a);
  const bStar = endsInStar(b);
  if (!aStar && !bStar) return a < b ? -1 : 1;
  const aText = aStar ? a.slice(0, -1) : a;
  const bText = bStar ? b.slice(0, -1) : b;
  if (aStar && bText.startsWith(aText)) return aText === bText && bStar ? 0 : -1;
  if (bStar && aText.startsWith(bText)) return 1;
  return aText < bText ? -1 : 1;
}

/** Whether holding `scope` is as good as holding `other`. */
export function covers(scope: string, other: string): boolean {
  return scope === other || (endsInStar(scope) && other.startsWith(scope.slice(0, -1)));
}

/** The normal form of any scopes. */
export function normalize(scopes: readonly string[]): string[] {
  return withoutCovered(scopes.toSorted(compareScopes));
}

/** In sorted scopes, whatever covers others comes directly before them. */
function withoutCovered(sorted: readonly string[]): string[] {
  const normal: string[] = [];
  let last: string | undefined;
  for (const scope of sorted) {
    if (last !== undefined && covers(last, scope)) continue;
    normal.push(scope);
    last = scope;
  }
  return normal;
}

/** The normal form of several normal forms together, merged two by two without sorting anything again. */
export function mergeNormal(lists: readonly (readonly string[])[]): readonly string[] {
  let round = lists.filter((list) => list.length > 0);
  if (round.length === 0) return [];
  while (round.length > 1) {
    round.sort((a, b) => a.length - b.length);
    const next: (readonly string[])[] = [];
    for (let i = 0; i < round.length; i += 2) {
      next.push(i + 1 < round.length ? mergeTwo(round[i]!, round[i + 1]!) : round[i]!);
    }
    round = next;
  }
  return round[0]!;
}

function mergeTwo(one: readonly string[], other: readonly string[]): readonly string[] {
  if (one === other) return one;
  const merged: string[] = [];
  let last: string | undefined;
  let i = 0;
  let j = 0;
  while (i < one.length || j < other.length) {
    const takesOne = j >= other.length || (i < one.length && compareScopes(one[i]!, other[j]!) <= 0);
    const scope = takesOne ? one[i++]! : other[j++]!;
    if (last !== undefined && covers(last, scope)) continue;
    merged.push(scope);
    last = scope;
  }
  return merged;
}

/** Whether a normal form satisfies one scope: what covers it can only be the last one that is not after it. */
export function satisfies(have: readonly string[], need: string): boolean {
  let low = 0;
  let high = have.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareScopes(have[middle]!, need) <= 0) low = middle + 1;
    else high = middle;
  }
  return low > 0 && covers(have[low - 1]!, need);
}

/** The scopes that a normal form does not satisfy. */
export function missingFrom(have: readonly string[], needs: readonly string[]): string[] {
  return needs.filter((need) => !satisfies(have, need));
}
