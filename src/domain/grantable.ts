import type { Subject } from './explainedPath.ts';
import { grantPatternOf, parameterFrom } from './grantPattern.ts';
import { cycleThrough } from './roleCycles.ts';
import { grantingScope, PARAMETER, withParameter } from './roleDefinition.ts';
import type { RolesSnapshot } from './rolesSnapshot.ts';
import type { RoleScopes } from './roleScopes.ts';
import type { TimeSliced } from './timeSliced.ts';
import { UnseenDependencies } from './unseenDependencies.ts';
import { matchesCovering, rolesOn, type Way, waysTo } from './waysTo.ts';
import { ExpansionTooLarge, unitsToProduce, type WorkBudget } from './workBudget.ts';

/** A role that gives some of the missing scopes to whoever has `scope`, through the roles `via`. */
export type GivingRole = { roleId: string; scope: string; via: string[]; gives: string[] };

/** A change after which nothing is missing: these scopes are added to one client or role. */
export type EnoughChange = { to: { clientId: string } | { roleId: string }; add: string[] };

/** What would help, nearest first. Without `complete`, there is more. */
export type Grantable = { roles: GivingRole[]; changes: EnoughChange[]; complete: boolean };

/** How many roles and changes are named, and for how many missing scopes roles are looked for. */
const MAX_NAMED = 10;
const MAX_SCOPES = 10;
/** Units of work to look for the roles that have a scope, and for those that a subject has. */
const UNITS = 1_000_000;
/** Units of work for a role or a scope that is kept in memory meanwhile, besides its characters. */
const KEEPING_UNITS = 10;

/**
 * The roles that have missing scopes: those that have most of them first, then those with the shortest way. Each list is cut
 * after 10.
 */
export function* givingRoles(
  missing: readonly string[],
  roles: RoleScopes,
  work: WorkBudget,
): TimeSliced<{ roles: GivingRole[]; complete: boolean }> {
  const giving = new Map<string, GivingRole>();
  let complete = missing.length <= MAX_SCOPES;
  for (const scope of missing.slice(0, MAX_SCOPES)) {
    const ways = yield* shortestWays(scope, roles, work);
    if (!ways) complete = false;
    for (const [roleId, way] of ways ?? []) {
      if (work.spendUnlimited()) yield;
      const known = giving.get(roleId);
      if (known) known.gives.push(scope);
      else giving.set(roleId, { roleId, scope: grantingScope(roleId), via: rolesOn(way), gives: [scope] });
    }
  }
  const nearest = [...giving.values()].toSorted(compareGiving);
  return { roles: nearest.slice(0, MAX_NAMED), complete: complete && nearest.length <= MAX_NAMED };
}

/** Undefined if looking for them takes too much work. */
function* shortestWays(
  scope: string,
  roles: RoleScopes,
  work: WorkBudget,
): TimeSliced<Map<string, Way> | undefined> {
  work.refill(UNITS);
  try {
    return (yield* waysTo(matchesCovering(scope), roles, work)).roles;
  } catch (error) {
    if (error instanceof ExpansionTooLarge) return undefined;
    throw error;
  }
}

function compareGiving(one: GivingRole, other: GivingRole): number {
  return (
    other.gives.length - one.gives.length ||
    one.via.length - other.via.length ||
    (one.roleId < other.roleId ? -1 : 1)
  );
}

/**
 * The changes that are enough: to add what is missing to the subject itself, or to a role that it has already, the
 * nearest first. Roles that would depend on each other in a cycle are left out. `held` are the subject's own scopes.
 */
export function* enoughChanges(
  { subject, held, missing }: { subject: Subject; held: readonly string[]; missing: string[] },
  roles: RolesSnapshot,
  work: WorkBudget,
): TimeSliced<{ changes: EnoughChange[]; complete: boolean }> {
  const changes: EnoughChange[] =
    'clientId' in subject ? [{ to: { clientId: subject.clientId }, add: missing }] : [];
  // A role whose id ends in a star would have another text in the place of `<..>`.
  const isTemplate = missing.some((scope) => scope.includes(PARAMETER));
  const grantsRoles = missing.some((scope) => grantPatternOf(scope));
  function* isFit(roleId: string): TimeSliced<boolean> {
    if (isTemplate && roleId.endsWith('*')) return false;
    return !grantsRoles || !(yield* makesCycle({ roleId, added: missing }, roles, work));
  }
  const reached = new Set<string>();
  let complete = true;
  work.refill(UNITS);
  try {
    yield* reachNearest(reached, { held, isFit, roles }, work);
  } catch (error) {
    if (!(error instanceof ExpansionTooLarge)) throw error;
    complete = false;
  }
  for (const roleId of reached) changes.push({ to: { roleId }, add: missing });
  return { changes: changes.slice(0, MAX_NAMED), complete: complete && changes.length <= MAX_NAMED };
}

/** Whether a role would be refused with these scopes added, as `updateRole` refuses a new dependency on a cycle. */
function* makesCycle(
  { roleId, added }: { roleId: string; added: readonly string[] },
  roles: RolesSnapshot,
  work: WorkBudget,
): TimeSliced<boolean> {
  const scopes = roles.get(roleId)?.scopes ?? [];
  const before = new Set(yield* new UnseenDependencies(roles).of({ roleId, scopes }, work));
  const after = yield* new UnseenDependencies(roles).of({ roleId, scopes: added }, work);
  if (after.every((id) => before.has(id))) return false;
  return (yield* cycleThrough({ roleId, scopes: [...scopes, ...added] }, roles, work)) !== undefined;
}

/**
 * Adds the fit roles that scopes reach, nearest first, one more than are named. Throws ExpansionTooLarge; those that it
 * added are right nevertheless.
 */
function* reachNearest(
  reached: Set<string>,
  {
    held,
    isFit,
    roles,
  }: { held: readonly string[]; isFit(roleId: string): TimeSliced<boolean>; roles: RolesSnapshot },
  work: WorkBudget,
): TimeSliced<void> {
  const visited = new Set<string>();
  const judged = new Set<string>();
  const scopes = new Set(held);
  // The loop also sees what is added while it runs.
  for (const scope of scopes) {
    if (work.spend()) yield;
    const pattern = grantPatternOf(scope);
    if (!pattern) continue;
    for (const id of roles.idsMatching(pattern)) {
      if (work.spend()) yield;
      if (!judged.has(id)) {
        judged.add(id);
        if (yield* isFit(id)) reached.add(id);
      }
      if (reached.size > MAX_NAMED) return;
      const parameter = roles.takesParameter(id) ? parameterFrom(pattern, id) : undefined;
      const key = parameter === undefined ? id : `${id}\n${parameter}`;
      if (visited.has(key)) continue;
      visited.add(key);
      if (work.spend(KEEPING_UNITS + unitsToProduce(key))) yield;
      for (const each of roles.get(id)?.scopes ?? []) {
        const own = parameter === undefined ? each : withParameter(each, parameter);
        if (work.spend(unitsToProduce(own))) yield;
        if (!grantPatternOf(own)) continue;
        if (work.spend(KEEPING_UNITS)) yield;
        scopes.add(own);
      }
    }
  }
}
