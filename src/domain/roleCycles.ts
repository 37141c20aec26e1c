import { PARAMETER, reaches, reachOf, reachWithin, type RoleDefinition } from './roleReach.ts';

/** What is asked of the other roles. */
type Roles = {
  get(roleId: string): RoleDefinition | undefined;
  dependenciesOf(role: RoleDefinition): Set<string>;
};

/** The roles that one leads to. */
type Edges = (role: RoleDefinition) => Iterable<string>;

/**
 * The ids along a shortest dependency cycle that a role, put in the place of the stored one of its id, would be on: the
 * first stands again at the end. Undefined when there is none. A role depends on those that a scope of its may grant.
 */
export function cycleThrough(role: RoleDefinition, roles: Roles): string[] | undefined {
  return pathBack(role, { from: role, roles, edges: dependencies(role, roles) });
}

/**
 * The same, of cycles only that would expand without end: each role of the cycle hands its parameter on to the next, and
 * one of them adds to it. It may name a cycle that no scope enters, but it misses none.
 */
export function endlessThrough(role: RoleDefinition, roles: Roles): string[] | undefined {
  const all = dependencies(role, roles);
  const edges: Edges = (from) =>
    [...all(from)].filter((id) => id.endsWith('*') && handsOn(from, id).length > 0);
  const steps = searchFrom(role, { roles, edges, known: role });
  for (const [id] of steps) {
    const from = id === role.roleId ? role : roles.get(id)!;
    for (const to of edges(from)) {
      if (!handsOn(from, to).some((scope) => adds(scope, to))) continue;
      const back = to === role.roleId ? [to] : pathBack(role, { from: roles.get(to)!, roles, edges });
      if (back) return [...pathTo(id, steps), ...back];
    }
  }
  return undefined;
}

/** All dependencies, with the role in question as if it were in place. */
function dependencies(role: RoleDefinition, roles: Roles): Edges {
  return function* (from) {
    const stored = roles.dependenciesOf(from);
    stored.delete(role.roleId);
    const isReached = from.scopes.some((scope) => {
      const reach = reachWithin(from.roleId, scope);
      return reach !== undefined && reaches(reach, role.roleId);
    });
    if (isReached) yield role.roleId;
    yield* stored;
  };
}

/** The scopes with a parameter by which one role may grant another. */
function handsOn({ roleId, scopes }: RoleDefinition, to: string): string[] {
  if (!roleId.endsWith('*')) return [];
  return scopes.filter((scope) => {
    const reach = scope.includes(PARAMETER) ? reachWithin(roleId, scope) : undefined;
    return reach !== undefined && reaches(reach, to);
  });
}

/** Whether the parameter that a scope hands on may be longer than the one it was given. */
function adds(scope: string, to: string): boolean {
  const at = scope.indexOf(PARAMETER);
  const before = reachOf(`${scope.slice(0, at)}*`) as { prefix: string };
  return before.prefix.length > to.length - 1 || scope.length > at + PARAMETER.length;
}

/** Ids from one role to the role in question, breadth first, so that the path is a shortest one. */
function pathBack(
  role: RoleDefinition,
  { from, roles, edges }: { from: RoleDefinition; roles: Roles; edges: Edges },
): string[] | undefined {
  const steps = searchFrom(from, { roles, edges, known: role });
  for (const [id] of steps) {
    const step = id === from.roleId ? from : id === role.roleId ? role : roles.get(id)!;
    for (const next of edges(step)) if (next === role.roleId) return [...pathTo(id, steps), role.roleId];
  }
  return undefined;
}

/** Every id that a role leads to, in the order of their distance, with the id before it; its own has none. */
function searchFrom(
  from: RoleDefinition,
  { roles, edges, known }: { roles: Roles; edges: Edges; known: RoleDefinition },
): Map<string, string | undefined> {
  const steps = new Map<string, string | undefined>([[from.roleId, undefined]]);
  for (const [id] of steps) {
    const role = id === from.roleId ? from : id === known.roleId ? known : roles.get(id)!;
    for (const next of edges(role)) if (!steps.has(next)) steps.set(next, id);
  }
  return steps;
}

function pathTo(id: string, steps: Map<string, string | undefined>): string[] {
  const path: string[] = [];
  for (let at: string | undefined = id; at !== undefined; at = steps.get(at)) path.unshift(at);
  return path;
}
