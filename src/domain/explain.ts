import { findPaths, type Path, type Paths } from './paths.ts';
import type { RolesSnapshot } from './rolesSnapshot.ts';
import type { ConcreteExpression } from './scopeExpression.ts';
import { compareScopes } from './scopes.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { WorkBudget } from './workBudget.ts';

/** How one scope of an expression is satisfied, or what the holder has that comes nearest to it. */
export type ScopeExplanation = { scope: string } & (
  ({ satisfied: true } & Paths) | { satisfied: false; nearest: string[] }
);

/** `missing` is what the expression lacks: of several alternatives, the one with the fewest scopes. */
export type Explanation = { satisfied: boolean; missing: string[]; scopes: ScopeExplanation[] };

/** How many of the holder's scopes are named as the nearest ones. */
const MAX_NEAREST = 3;

/**
 * Explains whether held scopes satisfy an expression: for each of its scopes, the shortest paths, or the nearest scopes
 * that the holder has. `expanded` is the normal form of what the held scopes expand to. `limit` counts the paths of all
 * scopes together. Throws ExpansionTooLarge.
 */
export function* explain(
  {
    expression,
    held,
    expanded,
  }: { expression: ConcreteExpression; held: readonly string[]; expanded: readonly string[] },
  roles: Pick<RolesSnapshot, 'get' | 'idsMatching' | 'takesParameter'>,
  { limit, work }: { limit: number; work: WorkBudget },
): TimeSliced<Explanation> {
  const explained = new Map<string, ScopeExplanation>();
  let left = limit;
  for (const scope of new Set(scopesIn(expression))) {
    const paths = yield* findPaths({ held, scope }, roles, { limit: left, work });
    left -= paths.paths.length;
    explained.set(
      scope,
      paths.pathCount > 0
        ? { scope, satisfied: true, ...paths }
        : { scope, satisfied: false, nearest: nearestTo(scope, expanded) },
    );
  }
  const missing = missingFrom(expression, (scope) => explained.get(scope)!.satisfied);
  return { satisfied: missing === undefined, missing: missing ?? [], scopes: [...explained.values()] };
}

function* scopesIn(expression: ConcreteExpression): Generator<string> {
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
  let at = sorted.findIndex((each) => compareScopes(each, scope) > 0);
  if (at < 0) at = sorted.length;
  const around = sorted.slice(Math.max(0, at - MAX_NEAREST), at + MAX_NEAREST);
  return around
    .map((each) => ({ each, common: commonLength(each, scope) }))
    .filter(({ common }) => common > 0)
    .toSorted((one, other) => other.common - one.common)
    .slice(0, MAX_NEAREST)
    .map(({ each }) => each);
}

function commonLength(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return length;
}

/** One line for each step of a path, as people read it. */
export function describePath(holder: string, { held, steps }: Path): string[] {
  const lines = [`${holder} has ${held}`];
  for (const { roleId, match, parameter, grant, scope, returnsTo } of steps) {
    const how =
      match === 'exact'
        ? ''
        : match === 'role-star'
          ? ', by the star of its id'
          : ', by the star of the scope';
    const what = parameter === undefined || grant === scope ? grant : `${grant} with ${parameter}: ${scope}`;
    const cycle = returnsTo ? ` (it also grants ${returnsTo.join(', ')} again)` : '';
    lines.push(`→ grants the role ${roleId}${how}, which has ${what}${cycle}`);
  }
  return lines;
}
