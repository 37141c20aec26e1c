/**
 * Which roles a scope grants. Holding `assume:<x>` grants the role `<x>`; a role whose id ends in `*` is granted by every
 * `assume:` scope that begins as it does; and a held scope that ends in `*` grants every role it covers.
 *
 * A scope's reach is what that says of it: the one text that stands behind `assume:` (`exact`), or all that begin with a
 * text (`prefix`), or no role at all. In a role that takes a parameter, a scope `assume:u<..>v` may become anything that
 * begins with `u`, also `u*`, as parameters that end in a star cut off what follows: its reach is the prefix `u`.
 */
export type Reach = { exact: string } | { prefix: string };
export type RoleDefinition = { roleId: string; scopes: readonly string[] };

const ASSUME = 'assume:';
export const PARAMETER = '<..>';

/** The scope that stands for having a role. */
export function grantingScope(roleId: string): string {
  return ASSUME + roleId;
}

/** Whether a role takes a parameter: what follows its id's text before the star in the scope that grants it. */
export function takesParameter({ roleId, scopes }: RoleDefinition): boolean {
  return roleId.endsWith('*') && scopes.some((scope) => scope.includes(PARAMETER));
}

/** The reach of a scope that is held as it is. */
export function reachOf(scope: string): Reach | undefined {
  if (scope.endsWith('*')) return prefixReach(scope.slice(0, -1));
  return scope.startsWith(ASSUME) ? { exact: scope.slice(ASSUME.length) } : undefined;
}

/** The reach of a role's scope, whatever the role's parameter. */
export function reachWithin(roleId: string, scope: string): Reach | undefined {
  const at = roleId.endsWith('*') ? scope.indexOf(PARAMETER) : -1;
  return at < 0 ? reachOf(scope) : prefixReach(scope.slice(0, at));
}

function prefixReach(text: string): Reach | undefined {
  if (text.startsWith(ASSUME)) return { prefix: text.slice(ASSUME.length) };
  return ASSUME.startsWith(text) ? { prefix: '' } : undefined;
}

/** The text that a reach is, or that what it reaches begins with. */
export function textOf(reach: Reach): string {
  return 'exact' in reach ? reach.exact : reach.prefix;
}

/** The same text for the same reach, and for no other. */
export function keyOf(reach: Reach): string {
  return 'exact' in reach ? `=${reach.exact}` : `${reach.prefix}*`;
}

/** Whether a reach grants the role of this id. */
export function reaches(reach: Reach, roleId: string): boolean {
  const start = roleId.endsWith('*') ? roleId.slice(0, -1) : undefined;
  if ('exact' in reach) return start === undefined ? reach.exact === roleId : reach.exact.startsWith(start);
  return roleId.startsWith(reach.prefix) || (start !== undefined && reach.prefix.startsWith(start));
}

/** The parameter with which a reach grants a role whose id ends in `*`. */
export function parameterFrom(reach: Reach, roleId: string): string {
  const start = roleId.slice(0, -1);
  if ('exact' in reach) return reach.exact.slice(start.length);
  return reach.prefix.startsWith(start) ? `${reach.prefix.slice(start.length)}*` : '*';
}

/** A scope with its parameter put in; one that ends in a star cuts off what follows it. */
export function withParameter(scope: string, parameter: string): string {
  const at = scope.indexOf(PARAMETER);
  if (at < 0) return scope;
  const rest = parameter.endsWith('*') ? '' : scope.slice(at + PARAMETER.length);
  return scope.slice(0, at) + parameter + rest;
}
