import { COUNTING_UNITS, findPaths, type Paths } from './paths.ts';
import type { RolesSnapshot } from './rolesSnapshot.ts';
import type { ConcreteExpression } from './scopeExpression.ts';
import { compareScopes } from './scopes.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { WorkBudget } from './workBudget.ts';

/** Whether one scope of an expression is satisfied, and how. */
export type ScopeExplanation = { scope: string } & (({ satisfied: true } & Paths) | { satisfied: false });

/** `missing` is what the expression lacks: of several alternatives, the one with the fewest scopes. */
export type Explanation = { satisfied: boolean; missing: string[]; scopes: ScopeExplanation[] };

/** How many of the holder's scopes are named as the nearest ones. */
const MAX_NEAREST = 3;

/**
 * Explains whether held scopes satisfy an expression: for each of its scopes, the shortest paths. `limit` counts the
 * paths of all scopes together, but each scope has at least one. Throws ExpansionTooLarge.
 */
export function* explain(
  { expression, held }: { expression: ConcreteExpression; held: readonly string[] },
  roles: Pick<RolesSnapshot, 'get' | 'idsMatching' | 'takesParameter'>,
  { limit, work }: { limit: number; work: WorkBudget },
): TimeSliced<Explanation> {
  const explained = new Map<string, ScopeExplanation>();
  const counting = { left: COUNTING_UNITS };
  let left = limit;
  const scopes = new Set(scopesIn(expression));
  for (const scope of scopes) {
    const share = Math.max(1, Math.floor(left / (scopes.size - explained.size)));
    const paths = yield* findPaths({ held, scope }, roles, { limit: share, work, counting });
    left -= paths.paths.length;
    explained.set(
      scope,
      paths.pathCount > 0 ? { scope, satisfied: true, ...paths } : { scope, satisfied: false },
    );
  }
  const missing = missingFrom(expression, (scope) => explained.get(scope)!.satisfied);
  return { satisfied: missing === undefined, missing: missing ?? [], scopes: [...explained.values()] };
}

/** The scopes in an expression, some perhaps several times. */
export function* scopesIn(expression: ConcreteExpression): Generator<string> {
  if (typeof expression === 'string') return void (yield expression);
  for (const each of 'AllOf' in expression ? expression.AllOf : expression.AnyOf) yield* scopesIn(each);
}

/** Undefined if the expression is satisfied. */
function missingFrom(
  expression: ConcreteExpression,
  isSatisfied: (scope: string) => boolean,
): string[] | undefined {
  if (typeof expression === 'string') return isSatisfied(expression) ? undefined : [expression];
  if ('AllOf' in expression) {
    const lacking = expression.AllOf.map((each) => missingFrom(each, isSatisfied)).filter(
      (each) => each !== undefined,
    );
    return lacking.length > 0 ? [...new Set(lacking.flat())] : undefined;
  }
  const alternatives = expression.AnyOf.map((each) => missingFrom(each, isSatisfied));
  if (alternatives.includes(undefined)) return undefined;
  return (alternatives as string[][]).toSorted((a, b) => a.length - b.length)[0] ?? [];
}

/** The scopes that have the longest beginnings in common with a scope; they stand next to it in sorted order. */
export function nearestTo(scope: string, sorted: readonly string[]): string[] {
  const at = placeOf(scope, sorted);
  const around = sorted.slice(Math.max(0, at - MAX_NEAREST), at + MAX_NEAREST);
  return around
    .map((each) => ({ each, common: commonLength(each, scope) }))
    .filter(({ common }) => common > 0)
    .toSorted((one, other) => other.common - one.common)
    .slice(0, MAX_NEAREST)
    .map(({ each }) => each);
}

/** The index of the first scope that sorts after a scope. */
function placeOf(scope: string, sorted: readonly string[]): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareScopes(sorted[middle]!, scope) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

function commonLength(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return length;
}
