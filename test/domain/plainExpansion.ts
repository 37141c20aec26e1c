import { covers, normalize } from '../../src/domain/scopes.ts';

export type PlainRole = { roleId: string; scopes: string[] };

/** More scopes than any finite expansion of these tests has. */
const MAX_FINITE = 20_000;

/** The least fixed point, computed naively by the rules: the oracle of the role graph. Throws if it is not finite. */
export function plainExpansion(roles: PlainRole[], scopes: readonly string[]): string[] {
  const found = new Set(scopes);
  for (const scope of found) {
    if (found.size > MAX_FINITE) throw new Error(`the expansion of ${scopes.join(' ')} does not end`);
    for (const role of roles) {
      const parameter = plainParameter(scope, role.roleId);
      if (parameter === undefined) continue;
      for (const each of role.scopes) found.add(plainSubstitution(role, each, parameter));
    }
  }
  return normalize([...found]);
}

/** The parameter with which a held scope grants a role; undefined if it does not. */
function plainParameter(scope: string, roleId: string): string | undefined {
  const pattern = `assume:${roleId}`;
  if (pattern.endsWith('*') && scope.startsWith(pattern.slice(0, -1))) return scope.slice(pattern.length - 1);
  return covers(scope, pattern) ? '*' : undefined;
}

function plainSubstitution({ roleId }: PlainRole, scope: string, parameter: string): string {
  const [before, ...after] = scope.split('<..>');
  if (!roleId.endsWith('*') || after.length === 0) return scope;
  return before! + parameter + (parameter.endsWith('*') ? '' : after.join('<..>'));
}

/** Whether one role depends on another: a scope of the one, for some parameter, matches the other's id. */
export function plainDependsOn({ roleId, scopes }: PlainRole, other: string): boolean {
  const pattern = `assume:${other}`;
  return scopes.some((scope) => {
    const widest =
      roleId.endsWith('*') && scope.includes('<..>') ? `${scope.slice(0, scope.indexOf('<..>'))}*` : scope;
    return covers(widest, pattern) || (pattern.endsWith('*') && widest.startsWith(pattern.slice(0, -1)));
  });
}

/** The number of roles on the shortest dependency cycle through a role; undefined if there is none. */
export function plainCycleLength(roles: PlainRole[], roleId: string): number | undefined {
  let reached = roles.filter((role) => role.roleId === roleId);
  for (let length = 1; length <= roles.length; length += 1) {
    if (reached.some((role) => plainDependsOn(role, roleId))) return length;
    reached = roles.filter((role) => reached.some((from) => plainDependsOn(from, role.roleId)));
  }
  return undefined;
}
