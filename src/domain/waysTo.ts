import { ASSUME, grantingScope } from './roleDefinition.ts';
import type { ParameterisedScope, RoleScopes } from './roleScopes.ts';
import type { ScopeMatch } from './scopeHolders.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { WorkBudget } from './workBudget.ts';

/**
 * Whoever holds a scope that matches has what was asked for: through a role and, from there, the next way, or because the
 * scope covers it (no `role`). Ways share their ends, so that they take little memory: see `rolesOn`.
 */
export type Way = ScopeMatch & { role?: string; next?: Way };

/** All ways, shortest first, and the roles whose granting scope is on one of them, each with its shortest. */
export type Ways = { ways: Way[]; roles: Map<string, Way> };

/** Units of work for a way, besides its characters: it stays in memory, so there are at most 100,000 in 8,000,000 units. */
const WAY_UNITS = 80;

/** Parameters that are tried for one unit of work. */
const TRIED_PER_UNIT = 10;
/** Units of work to find that a way was seen before, and how many of its characters are one more. */
const SEEN_UNITS = 4;
const SEEN_PER_UNIT = 100;

/** The held scopes that cover a scope. */
export function matchesCovering(scope: string): ScopeMatch[] {
  return [
    { kind: 'equal', text: scope },
    { kind: 'starred-prefix', text: scope },
  ];
}

/** The held scopes that begin with a text, or cover some that do. */
export function matchesWithin(text: string): ScopeMatch[] {
  return [
    { kind: 'starting', text },
    { kind: 'starred-prefix', text },
  ];
}

/**
 * Finds all ways to scopes that match, by looking backwards from them: which roles have such a scope, which scopes grant
 * these roles, and so on. Throws ExpansionTooLarge if that takes more than the budget.
 */
export function* waysTo(goals: readonly ScopeMatch[], roles: RoleScopes, work: WorkBudget): TimeSliced<Ways> {
  const found: Ways = { ways: [], roles: new Map() };
  const seen = new Set<string>();
  /** Returns the units of work. */
  const add = (way: Way): number => {
    const { kind, text } = way;
    const key = `${kind} ${text}`;
    if (seen.has(key)) return SEEN_UNITS + Math.floor(text.length / SEEN_PER_UNIT);
    seen.add(key);
    found.ways.push(way);
    return WAY_UNITS + text.length;
  };
  let tried = 0;
  /** Counts parameters that are tried. Returns whether the slice is full. */
  const spendTrying = (): boolean => (tried += 1) % TRIED_PER_UNIT === 0 && work.spend();
  goals.forEach(add);
  const grantable = new Set<string>();
  // The loop also sees what is added while it runs.
  for (const way of found.ways) {
    if (work.spend()) yield;
    for (const { holders } of roles.granting.matching(way)) {
      for (const roleId of holders) {
        if (work.spend()) yield;
        if (!found.roles.has(roleId)) found.roles.set(roleId, way);
      }
    }
    for (const { holders } of roles.literal.matching(way)) {
      for (const roleId of holders) {
        if (work.spend()) yield;
        if (grantable.has(roleId)) continue;
        grantable.add(roleId);
        for (const match of granting(roleId))
          if (work.spend(add({ ...match, role: roleId, next: way }))) yield;
      }
    }
    for (const each of roles.parameterised(way)) {
      if (spendTrying()) yield;
      const { roleId } = each;
      for (const parameter of parametersThatMatch(each, way)) {
        if (spendTrying()) yield;
        if (!parameter) continue;
        if (work.spend()) yield;
        for (const match of grantingWith(roleId, parameter))
          if (work.spend(add({ ...match, role: roleId, next: way }))) yield;
      }
    }
  }
  return found;
}

/** The ids of the roles on a way, in order. */
export function rolesOn(way: Way): string[] {
  const via: string[] = [];
  for (let at: Way | undefined = way; at?.role !== undefined; at = at.next) via.push(at.role);
  return via;
}

/** The held scopes that grant a role, whatever its parameter. */
function granting(roleId: string): ScopeMatch[] {
  const scope = grantingScope(roleId);
  return roleId.endsWith('*') ? matchesWithin(scope.slice(0, -1)) : matchesCovering(scope);
}

/** Parameters of a role: one, or all that begin with a text. */
type Parameters = { kind: 'equal' | 'starting'; text: string };

/** The held scopes that grant a parameterised role with such a parameter. */
function grantingWith(roleId: string, { kind, text }: Parameters): ScopeMatch[] {
  const start = ASSUME + roleId.slice(0, -1);
  const matches: ScopeMatch[] = [{ kind, text: start + text }];
  // A star before the role's own gives the parameter `*`.
  if (kind === 'equal' ? text === '*' : text === '') matches.push({ kind: 'starred-prefix', text: start });
  return matches;
}

/**
 * The parameters that make a scope match; undefined for each that was tried in vain, so that the caller can pause. A
 * parameter that ends in a star cuts off what follows it.
 */
function* parametersThatMatch(
  { start, end }: ParameterisedScope,
  { kind, text }: ScopeMatch,
): Generator<Parameters | undefined> {
  if (kind === 'starting' && start.startsWith(text)) {
    yield { kind: 'starting', text: '' };
    return;
  }
  if (!text.startsWith(start)) return;
  const rest = text.slice(start.length);
  if (kind === 'equal') {
    if (rest.endsWith('*')) yield { kind: 'equal', text: rest };
    if (rest.endsWith(end)) {
      const parameter = rest.slice(0, rest.length - end.length);
      if (!parameter.endsWith('*')) yield { kind: 'equal', text: parameter };
    }
    return;
  }
  if (kind === 'starting') {
    yield { kind: 'starting', text: rest };
    for (let length = Math.max(0, rest.length - end.length); length < rest.length; length += 1) {
      const parameter = rest.slice(0, length);
      const doesMatch = !parameter.endsWith('*') && end.startsWith(rest.slice(length));
      yield doesMatch ? { kind: 'equal', text: parameter } : undefined;
    }
    return;
  }
  for (let length = 0; length <= rest.length; length += 1) {
    const parameter = rest.slice(0, length);
    yield { kind: 'equal', text: `${parameter}*` };
    if (end.endsWith('*') && !parameter.endsWith('*') && rest.startsWith(end.slice(0, -1), length))
      yield { kind: 'equal', text: parameter };
  }
}
