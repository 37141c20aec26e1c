import type { RoleIndex } from './roleIndex.ts';
import { grantingScope, PARAMETER, reachOf, type RoleDefinition, takesParameter } from './roleReach.ts';
import { withRole } from './withRole.ts';

/** Grants with a parameter that may come from one parameter: real roles have a few. */
export const MOST_FROM_ONE = 1000;

/** What a role's parameter has become on its way: some text, the parameter without so many characters, and some text. */
type Handed = { before: string; cut: number; after: string };
type Stored = Pick<RoleIndex<RoleDefinition>, 'get' | 'granted' | 'holdersOf'>;

/**
 * The id of a role that, with this one in the place of the stored one of its id, would spread each of its parameters to
 * more grants than `most`: this one itself, or one that hands its parameter on to it. Undefined where there is none.
 *
 * Roles need no cycle for that. Example: a* grants `assume:b<..>1` and `assume:b<..>2`, b* grants c* likewise, and so on:
 * ten such roles make a thousand grants of one, and forty more than any memory holds.
 */
export function spreadThrough(
  role: RoleDefinition,
  stored: Stored,
  most = MOST_FROM_ONE,
): string | undefined {
  if (!takesParameter(role)) return undefined;
  const roles = withRole(role, stored);
  const affected = new Set([role.roleId]);
  for (const id of affected) {
    if (countFromOne(id, roles, most) > most) return id;
    for (const holder of stored.holdersOf(id)) if (takesParameter(roles.get(holder))) affected.add(holder);
  }
  return undefined;
}

/**
 * How many grants come from one parameter, that of the role among them; it stops once they are more than `most`. It follows
 * a parameter that may be any text, and counts each role that some text would grant: no text grants more of them.
 */
function countFromOne(roleId: string, roles: ReturnType<typeof withRole>, most: number): number {
  const grants = new Map([[roleId, { roleId, handed: { before: '', cut: 0, after: '' } }]]);
  for (const grant of grants.values()) {
    for (const scope of roles.get(grant.roleId).scopes) {
      for (const next of handedOn(scope, grant.handed, roles)) {
        const { before, cut, after } = next.handed;
        grants.set([next.roleId, before, cut, after].join('\n'), next);
      }
    }
    if (grants.size > most) break;
  }
  return grants.size;
}

function handedOn(
  scope: string,
  handed: Handed,
  roles: ReturnType<typeof withRole>,
): { roleId: string; handed: Handed }[] {
  const at = scope.indexOf(PARAMETER);
  if (at < 0) return [];
  const before = scope.slice(0, at) + handed.before;
  const after = handed.after + scope.slice(at + PARAMETER.length);
  const reach = reachOf(`${before}*`);
  const granted = reach ? roles.granted(reach).filter((id) => takesParameter(roles.get(id))) : [];
  return granted.map((roleId) => {
    const start = grantingScope(roleId).slice(0, -1);
    const missing = start.length - before.length;
    return missing <= 0
      ? { roleId, handed: { before: before.slice(start.length), cut: handed.cut, after } }
      : { roleId, handed: { before: '', cut: handed.cut + missing, after } };
  });
}
