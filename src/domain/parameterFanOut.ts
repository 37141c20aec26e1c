import { grantPatternOf } from './grantPattern.ts';
import type { overlayRole } from './overlayRole.ts';
import { grantingScope, PARAMETER } from './roleDefinition.ts';
import type { TimeSliced } from './timeSliced.ts';
import { sizeOfScopes } from './workBudget.ts';

/** What one parameter of a role produces: grants with a parameter, and scopes of the roles granted by these. */
export type FanOut = { grants: number; scopes: number };
/** Real roles have a fan-out of a few. */
export const MAX_FAN_OUT: FanOut = { grants: 1000, scopes: 10_000 };

/** A parameter derived from a role's: a text, the role's parameter without its first `cut` characters, and a text. */
type DerivedParameter = { before: string; cut: number; after: string };
type ParameterGrant = { roleId: string; parameter: DerivedParameter };
type Roles = Pick<ReturnType<typeof overlayRole>, 'get' | 'idsMatching' | 'takesParameter'>;

/** How many roles are visited for one: some milliseconds of work. If there are more, the fan-out counts as infinite. */
const MAX_VISITED = 100_000;
const UNBOUNDED: FanOut = { grants: Infinity, scopes: Infinity };

/** Whether a role produces too much from one parameter, directly or by passing it on. */
export function isFanOutTooLarge({ grants, scopes }: FanOut, max = MAX_FAN_OUT): boolean {
  return grants > max.grants || scopes > max.scopes;
}

/**
 * The fan-out of one parameter of a role, the role itself included. It stops counting once it exceeds `max`. The
 * parameter is symbolic: it may be any text, and each role that some text would grant is counted, so that no text
 * grants more.
 *
 * Even roles without a cycle can have a very large fan-out. Example: a* grants `assume:b<..>1` and `assume:b<..>2`, b*
 * grants c* likewise, and so on: ten such roles make a thousand grants of one, and forty more than any memory holds. In
 * time slices: `count` counts units of work and returns whether the slice is full.
 */
export function* parameterFanOut(
  roleId: string,
  { roles, max = MAX_FAN_OUT }: { roles: Roles; max?: FanOut },
  count: (units: number) => boolean,
): TimeSliced<FanOut> {
  const first: ParameterGrant = { roleId, parameter: { before: '', cut: 0, after: '' } };
  const grants = new Map([[roleId, first]]);
  let scopeCount = 0;
  let visited = 0;
  for (const grant of grants.values()) {
    const { scopes } = roles.get(grant.roleId);
    scopeCount += 1 + sizeOfScopes(scopes);
    for (const scope of scopes) {
      const granted = grantsBy(scope, grant.parameter, roles);
      visited += granted.length;
      if (count(1 + granted.length)) yield;
      if (visited > MAX_VISITED) return UNBOUNDED;
      for (const next of granted.filter(({ roleId: id }) => roles.takesParameter(id))) {
        const { before, cut, after } = next.parameter;
        grants.set([next.roleId, before, cut, after].join('\n'), next);
      }
      if (grants.size > max.grants) break;
    }
    if (isFanOutTooLarge({ grants: grants.size, scopes: scopeCount }, max)) break;
  }
  return { grants: grants.size, scopes: scopeCount };
}

/** What a scope of a role with this parameter grants, if the scope contains the parameter. */
function grantsBy(scope: string, parameter: DerivedParameter, roles: Roles): ParameterGrant[] {
  const at = scope.indexOf(PARAMETER);
  if (at < 0) return [];
  const before = scope.slice(0, at) + parameter.before;
  const after = parameter.after + scope.slice(at + PARAMETER.length);
  const pattern = grantPatternOf(`${before}*`);
  const granted = pattern ? roles.idsMatching(pattern) : [];
  return granted.map((roleId) => {
    const start = grantingScope(roleId).slice(0, -1);
    const missing = start.length - before.length;
    return missing <= 0
      ? { roleId, parameter: { before: before.slice(start.length), cut: parameter.cut, after } }
      : { roleId, parameter: { before: '', cut: parameter.cut + missing, after } };
  });
}
