import { ASSUME, PARAMETER } from './roleDefinition.ts';

/**
 * Which roles a scope grants. Holding `assume:<x>` grants the role `<x>`. A role whose id ends in `*` is granted by
 * every `assume:` scope that begins like the id. A held scope that ends in `*` grants every role that it covers.
 *
 * A scope's grant pattern says which texts behind `assume:` the scope stands for: exactly one (`exact`), or all that
 * begin with a prefix (`prefix`). A scope that grants no role has no pattern. In a parameterised role, the scope
 * `assume:u<..>v` can become anything that begins with `u`, also `u*`, because a parameter that ends in a star cuts off
 * what follows it. Its pattern is therefore the prefix `u`.
 */
export type GrantPattern = { exact: string } | { prefix: string };

/** The pattern of a scope that is held literally. Undefined if the scope grants no role. */
export function grantPatternOf(scope: string): GrantPattern | undefined {
  if (scope.endsWith('*')) return prefixPattern(scope.slice(0, -1));
  return scope.startsWith(ASSUME) ? { exact: scope.slice(ASSUME.length) } : undefined;
}

/** The pattern of one of a role's scopes, for any parameter of the role. Undefined if the scope grants no role. */
export function grantPatternWithin(roleId: string, scope: string): GrantPattern | undefined {
  const at = roleId.endsWith('*') ? scope.indexOf(PARAMETER) : -1;
  return at < 0 ? grantPatternOf(scope) : prefixPattern(scope.slice(0, at));
}

function prefixPattern(text: string): GrantPattern | undefined {
  if (text.startsWith(ASSUME)) return { prefix: text.slice(ASSUME.length) };
  return ASSUME.startsWith(text) ? { prefix: '' } : undefined;
}

/** The exact text or the prefix of a pattern. */
export function patternText(pattern: GrantPattern): string {
  return 'exact' in pattern ? pattern.exact : pattern.prefix;
}

/** A key that is the same for equal patterns and differs for all others. */
export function patternKey(pattern: GrantPattern): string {
  return 'exact' in pattern ? `=${pattern.exact}` : `${pattern.prefix}*`;
}

/** Whether a pattern grants the role with this id. */
export function matchesRole(pattern: GrantPattern, roleId: string): boolean {
  const start = roleId.endsWith('*') ? roleId.slice(0, -1) : undefined;
  if ('exact' in pattern)
    return start === undefined ? pattern.exact === roleId : pattern.exact.startsWith(start);
  return roleId.startsWith(pattern.prefix) || (start !== undefined && pattern.prefix.startsWith(start));
}

/** The parameter with which a pattern grants a role whose id ends in `*`. */
export function parameterFrom(pattern: GrantPattern, roleId: string): string {
  const start = roleId.slice(0, -1);
  if ('exact' in pattern) return pattern.exact.slice(start.length);
  return pattern.prefix.startsWith(start) ? `${pattern.prefix.slice(start.length)}*` : '*';
}
