/** A role as far as expansion is concerned. The scopes may be in any order. */
export type RoleDefinition = { roleId: string; scopes: readonly string[] };

/** The start of every scope that grants a role. */
export const ASSUME = 'assume:';
/** Stands for the parameter in a scope of a parameterised role. */
export const PARAMETER = '<..>';

/** The scope that grants a role. */
export function grantingScope(roleId: string): string {
  return ASSUME + roleId;
}

/**
 * Whether a role is parameterised: its id ends in `*`, and a scope contains `<..>`. The parameter is the part of the
 * granting scope that stands in the place of the star.
 */
export function takesParameter({ roleId, scopes }: RoleDefinition): boolean {
  return roleId.endsWith('*') && scopes.some((scope) => scope.includes(PARAMETER));
}

/** A scope with the parameter substituted. A parameter that ends in a star cuts off what follows it in the scope. */
export function withParameter(scope: string, parameter: string): string {
  const at = scope.indexOf(PARAMETER);
  if (at < 0) return scope;
  const rest = parameter.endsWith('*') ? '' : scope.slice(at + PARAMETER.length);
  return scope.slice(0, at) + parameter + rest;
}
