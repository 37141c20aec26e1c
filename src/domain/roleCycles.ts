import { grantPatternWithin, patternKey } from './grantPattern.ts';
import { overlayRole, type StoredRoles } from './overlayRole.ts';
import { grantingScope, PARAMETER, type RoleDefinition } from './roleDefinition.ts';
import type { TimeSliced } from './timeSliced.ts';
import { UnseenDependencies } from './unseenDependencies.ts';
import type { WorkBudget } from './workBudget.ts';

type Roles = ReturnType<typeof overlayRole>;

/**
 * Cycle detection: the ids along a shortest dependency cycle on which a role would be if it replaced the stored one
 * with its id. The first id is repeated at the end. Undefined if there is no such cycle. A role depends on all roles
 * that its scopes may grant. A breadth-first search in time slices; throws ExpansionTooLarge if it takes too much work.
 */
export function* cycleThrough(
  role: RoleDefinition,
  stored: StoredRoles,
  work: WorkBudget,
): TimeSliced<string[] | undefined> {
  const roles = overlayRole(role, stored);
  const dependencies = new UnseenDependencies(roles);
  const visited: Predecessors = new Map([[role.roleId, undefined]]);
  for (const id of visited.keys()) {
    for (const next of yield* dependencies.of(roles.get(id), work)) {
      if (next === role.roleId) return [...pathTo(id, visited), next];
      if (!visited.has(next)) visited.set(next, id);
    }
  }
  return undefined;
}

/**
 * Like `cycleThrough`, for cycles whose expansion does not end: each role of the cycle passes its parameter on to the
 * next, and one of them lengthens it. In the graph of roles that pass their parameter on, such a cycle exists if an
 * edge that lengthens it lies in the role's strongly connected component: its start is reachable from the role, and the
 * role from its end. The cycle that is returned may be one that no scope enters, but no unbounded one is missed.
 */
export function* unboundedCycleThrough(
  role: RoleDefinition,
  stored: StoredRoles,
  work: WorkBudget,
): TimeSliced<string[] | undefined> {
  const roles = overlayRole(role, stored);
  const reachable: Predecessors = new Map([[role.roleId, undefined]]);
  const sourcesOf = new Map<string, Set<string>>();
  const lengthening: { from: string; to: string }[] = [];
  for (const from of reachable.keys()) {
    for (const { to, isLonger } of yield* parameterEdges(from, roles, work)) {
      if (!reachable.has(to)) reachable.set(to, from);
      sourcesOf.set(to, (sourcesOf.get(to) ?? new Set()).add(from));
      if (isLonger) lengthening.push({ from, to });
    }
  }
  const reaching: Predecessors = new Map([[role.roleId, undefined]]);
  for (const to of reaching.keys()) {
    const sources = sourcesOf.get(to) ?? [];
    for (const from of sources) if (!reaching.has(from)) reaching.set(from, to);
    if (work.spend()) yield;
  }
  const edge = lengthening.find(({ to }) => reaching.has(to));
  return edge && [...pathTo(edge.from, reachable), ...pathTo(edge.to, reaching).reverse()];
}

/** A role that another passes its parameter on to, and whether the parameter may become longer. */
type ParameterEdge = { to: string; isLonger: boolean };

function* parameterEdges(roleId: string, roles: Roles, work: WorkBudget): TimeSliced<ParameterEdge[]> {
  const edges = new Map<string, ParameterEdge>();
  if (!roleId.endsWith('*')) return [];
  const seen = new Set<string>();
  for (const scope of roles.get(roleId).scopes) {
    if (work.spend()) yield;
    const at = scope.indexOf(PARAMETER);
    const pattern = at < 0 ? undefined : grantPatternWithin(roleId, scope);
    if (!pattern) continue;
    const isFollowed = scope.length > at + PARAMETER.length;
    const key = `${isFollowed} ${patternKey(pattern)}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const granted = roles.idsMatching(pattern);
    for (const to of granted) {
      if (!to.endsWith('*')) continue;
      const isLonger = isFollowed || at > grantingScope(to).length - 1;
      edges.set(to, { to, isLonger: isLonger || edges.get(to)?.isLonger === true });
    }
    if (work.spend(granted.length)) yield;
  }
  return [...edges.values()];
}

/** Each visited id with the one from which it was first visited; the start has none. */
type Predecessors = Map<string, string | undefined>;

function pathTo(id: string, predecessors: Predecessors): string[] {
  const path: string[] = [];
  for (let at: string | undefined = id; at !== undefined; at = predecessors.get(at)) path.push(at);
  return path.reverse();
}
