import { ASSUME, grantingScope } from './roleDefinition.ts';
import type { RoleGrants } from './roleGrants.ts';
import type { ParameterisedScope, RoleScopes } from './roleScopes.ts';
import type { ScopeMatch } from './scopeHolders.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { WorkBudget } from './workBudget.ts';

/**
 * Whoever holds a scope that matches has what was asked for: through a role and, from there, the next way, or because the
 * scope covers it (no `role`). Ways share their ends, so that they take little memory: see `rolesOn`.
 */
export type Way = (ScopeMatch | RoleMatch) & { role?: string; next?: Way };

/** All scopes that grant a role, whatever its parameter: its index in `RoleGrants`, and its granting scope. */
type RoleMatch = { kind: 'role'; index: number; text: string };

/**
 * All ways, shortest first, and the roles whose granting scope is on one of them, each with its shortest. `grants` has the
 * roles that ways are of.
 */
export type Ways = { ways: Way[]; roles: Map<string, Way>; grants: RoleGrants };

/** Units of work for a way, besides its characters: it stays in memory, so there are at most 100,000 in 8,000,000 units. */
const WAY_UNITS = 80;
/** Units of work for a way of a role: there are no more than roles. */
const ROLE_UNITS = 4;

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
  const grants = yield* roles.grants(work);
  const found: Ways = { ways: [], roles: new Map(), grants };
  const seen = new Set<string>();
  /** Returns the units of work. */
  const add = (way: ScopeMatch & Way): number => {
    const { kind, text } = way;
    const key = `${kind} ${text}`;
    if (seen.has(key)) return SEEN_UNITS + Math.floor(text.length / SEEN_PER_UNIT);
    seen.add(key);
    found.ways.push(way);
    return WAY_UNITS + text.length;
  };
  const wholeRoles = new Uint8Array(grants.ids.length);
  /** Adds the way from a role, whatever its parameter. Returns the units of work. */
  const addRole = (index: number, next: Way): number => {
    if (wholeRoles[index]) return 1;
    wholeRoles[index] = 1;
    const role = grants.ids[index]!;
    found.ways.push({ kind: 'role', index, text: grants.scopes[index]!, role, next });
    return ROLE_UNITS;
  };
  const reach = (roleId: string, way: Way): void => {
    if (!found.roles.has(roleId)) found.roles.set(roleId, way);
  };
  let tried = 0;
  /** Counts parameters that are tried. Returns whether the slice is full. */
  const spendTrying = (): boolean => (tried += 1) % TRIED_PER_UNIT === 0 && work.spend();
  goals.forEach(add);
  const seenHeld = new Uint8Array(grants.held.length);
  const [passedRoles, passedHeld] = [new Uint8Array(grants.ids.length), new Uint8Array(grants.held.length)];
  // The loop also sees what is added while it runs.
  for (const way of found.ways) {
    if (work.spend()) yield;
    if (way.kind !== 'role') {
      yield* followScopes(way, way);
      continue;
    }
    const { index } = way;
    const [firstRole, endOfRoles] = grants.rolesWithin(index);
    for (let at = firstRole; at < endOfRoles; at += 1) {
      if (work.spend()) yield;
      reach(grants.ids[at]!, way);
    }
    // Behind one that was passed before, all were.
    for (let at = grants.coveringRole[index]!; at >= 0 && !passedRoles[at]; at = grants.coveringRole[at]!) {
      if (work.spend()) yield;
      passedRoles[at] = 1;
      reach(grants.ids[at]!, way);
    }
    const [firstHeld, endOfHeld] = grants.heldWithin(index);
    for (let at = firstHeld; at < endOfHeld; at += 1) {
      if (work.spend()) yield;
      if (seenHeld[at]) continue;
      seenHeld[at] = 1;
      for (const holder of grants.holders[at]!) if (work.spend(addRole(holder, way))) yield;
    }
    for (let at = grants.coveringHeld[index]!; at >= 0 && !passedHeld[at]; at = grants.nextHeld[at]!) {
      passedHeld[at] = 1;
      for (const holder of grants.holders[at]!) if (work.spend(addRole(holder, way))) yield;
    }
    if (grants.mayTakeParameter[index])
      for (const match of matchesGranting(way.role!)) yield* followParameters(match, way);
  }
  return found;

  function* followScopes(match: ScopeMatch, way: Way): TimeSliced<void> {
    for (const { holders } of roles.granting.matching(match)) {
      for (const roleId of holders) {
        if (work.spend()) yield;
        reach(roleId, way);
      }
    }
    for (const { holders } of roles.literal.matching(match)) {
      for (const roleId of holders) {
        if (work.spend()) yield;
        const index = grants.indexOf(roleId);
        // A role that was added since the grants were found is left out.
        if (index !== undefined && work.spend(addRole(index, way))) yield;
      }
    }
    yield* followParameters(match, way);
  }

  function* followParameters(match: ScopeMatch, way: Way): TimeSliced<void> {
    for (const each of roles.parameterised(match)) {
      if (spendTrying()) yield;
      const { roleId } = each;
      for (const parameter of parametersThatMatch(each, match)) {
        if (spendTrying()) yield;
        if (!parameter) continue;
        if (work.spend()) yield;
        for (const given of grantingWith(roleId, parameter))
          if (work.spend(add({ ...given, role: roleId, next: way }))) yield;
      }
    }
  }
}

/** The ids of the roles on a way, in order. */
export function rolesOn(way: Way): string[] {
  const via: string[] = [];
  for (let at: Way | undefined = way; at?.role !== undefined; at = at.next) via.push(at.role);
  return via;
}

/** The held scopes that grant a role, whatever its parameter. */
export function matchesGranting(roleId: string): ScopeMatch[] {
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
