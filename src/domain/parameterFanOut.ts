import { grantingScope, PARAMETER, reachOf } from './roleReach.ts';
import type { withRole } from './withRole.ts';
import { type Sliced, sizeOfScopes } from './work.ts';

/** What may come of one parameter: grants with a parameter, and scopes of the roles so granted. Real roles make a few. */
export type FanOut = { grants: number; scopes: number };
export const MAX_FAN_OUT: FanOut = { grants: 1000, scopes: 10_000 };

/** What a role's parameter has become on its way: some text, the parameter without so many characters, and some text. */
type Handed = { before: string; cut: number; after: string };
type Roles = Pick<ReturnType<typeof withRole>, 'get' | 'granted' | 'takesParameter'>;

/** Roles that are looked at for one: some milliseconds' work. What takes more is too much. */
const MOST_LOOKED_AT = 100_000;
const TOO_MUCH: FanOut = { grants: Infinity, scopes: Infinity };

/** A role that makes too much of one parameter, directly or by handing it on. */
export function isFanOutTooLarge({ grants, scopes }: FanOut, most = MAX_FAN_OUT): boolean {
  return grants > most.grants || scopes > most.scopes;
}

/**
 * What comes of one parameter of a role, the role itself included: it stops once that is more than `most`. It follows a parameter
 * that may be any text, and counts each role that some text would grant: no text grants more of them.
 *
 * Roles need no cycle to make very much of one. Example: a* grants `assume:b<..>1` and `assume:b<..>2`, b* grants c* likewise, and
 * so on: ten such roles make a thousand grants of one, and forty more than any memory holds. In slices, whose work is counted.
 */
export function* fanOutOf(
  roleId: string,
  { roles, most = MAX_FAN_OUT }: { roles: Roles; most?: FanOut },
  count: (units: number) => boolean,
): Sliced<FanOut> {
  const grants = new Map([[roleId, { roleId, handed: { before: '', cut: 0, after: '' } }]]);
  let scopeCount = 0;
  let lookedAt = 0;
  for (const grant of grants.values()) {
    const { scopes } = roles.get(grant.roleId);
    scopeCount += 1 + sizeOfScopes(scopes);
    for (const scope of scopes) {
      const granted = handedOn(scope, grant.handed, roles);
      lookedAt += granted.length;
      if (count(1 + granted.length)) yield;
      if (lookedAt > MOST_LOOKED_AT) return TOO_MUCH;
      for (const next of granted.filter(({ roleId: id }) => roles.takesParameter(id))) {
        const { before, cut, after } = next.handed;
        grants.set([next.roleId, before, cut, after].join('\n'), next);
      }
      if (grants.size > most.grants) break;
    }
    if (isFanOutTooLarge({ grants: grants.size, scopes: scopeCount }, most)) break;
  }
  return { grants: grants.size, scopes: scopeCount };
}

function handedOn(scope: string, handed: Handed, roles: Roles): { roleId: string; handed: Handed }[] {
  const at = scope.indexOf(PARAMETER);
  if (at < 0) return [];
  const before = scope.slice(0, at) + handed.before;
  const after = handed.after + scope.slice(at + PARAMETER.length);
  const reach = reachOf(`${before}*`);
  const granted = reach ? roles.granted(reach) : [];
  return granted.map((roleId) => {
    const start = grantingScope(roleId).slice(0, -1);
    const missing = start.length - before.length;
    return missing <= 0
      ? { roleId, handed: { before: before.slice(start.length), cut: handed.cut, after } }
      : { roleId, handed: { before: '', cut: handed.cut + missing, after } };
  });
}
