import { covers, normalize } from '../../src/domain/scopes.ts';

export type PlainRole = { roleId: string; scopes: string[] };

/** The least fixed point, as the rules say it and as slowly: the oracle of the role graph. */
export function plainExpansion(roles: PlainRole[], scopes: readonly string[]): string[] {
  const found = new Set(scopes);
  for (const scope of found) {
    for (const role of roles) {
      const parameter = plainParameter(scope, role.roleId);
      if (parameter !== undefined)
        for (const each of role.scopes) found.add(plainSubstitution(role, each, parameter));
    }
  }
  return normalize([...found]);
}

/** The parameter with which a held scope grants a role; undefined when it does not. */
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

/** Whether one role depends on another: some parameterisation of a scope of the one could match the other's id. */
export function plainDependsOn({ roleId, scopes }: PlainRole, other: string): boolean {
  const pattern = `assume:${other}`;
  return scopes.some((scope) => {
    const widest =
      roleId.endsWith('*') && scope.includes('<..>') ? `${scope.slice(0, scope.indexOf('<..>'))}*` : scope;
    return covers(widest, pattern) || (pattern.endsWith('*') && widest.startsWith(pattern.slice(0, -1)));
  });
}

/** Whether a role lies on a dependency cycle, found by trying all ways. */
export function plainIsOnCycle(roles: PlainRole[], roleId: string): boolean {
  const reached = new Set<string>();
  const visit = (role: PlainRole): void => {
    for (const other of roles) {
      if (!plainDependsOn(role, other.roleId) || reached.has(other.roleId)) continue;
      reached.add(other.roleId);
      visit(other);
    }
  };
  visit(roles.find((role) => role.roleId === roleId)!);
  return reached.has(roleId);
}
