import type { RoleIndex } from './roleIndex.ts';
import { grantingScope, PARAMETER, reachWithin, type RoleDefinition } from './roleReach.ts';
import { withRole } from './withRole.ts';

type Roles = ReturnType<typeof withRole>;
type Stored = Pick<RoleIndex<RoleDefinition>, 'get' | 'granted' | 'takesParameter'>;

/**
 * The ids along a shortest dependency cycle that a role, put in the place of the stored one of its id, would be on: the
 * first stands again at the end. Undefined when there is none. A role depends on those that a scope of its may grant.
 */
export function cycleThrough(role: RoleDefinition, stored: Stored): string[] | undefined {
  const roles = withRole(role, stored);
  const steps: Steps = new Map([[role.roleId, undefined]]);
  for (const id of steps.keys()) {
    const { scopes } = roles.get(id);
    for (const next of scopes.flatMap((scope) => grantedWithin(id, scope, roles))) {
      if (next === role.roleId) return [...wayTo(id, steps), next];
      if (!steps.has(next)) steps.set(next, id);
    }
  }
  return undefined;
}

/**
 * The same, of cycles only that would expand without end: each role of the cycle hands its parameter on to the next, and
 * one of them adds to it. It may name a cycle that no scope enters, but it misses none.
 */
export function endlessThrough(role: RoleDefinition, stored: Stored): string[] | undefined {
  const roles = withRole(role, stored);
  const there: Steps = new Map([[role.roleId, undefined]]);
  const handedBy = new Map<string, Set<string>>();
  const growing: { from: string; to: string }[] = [];
  for (const from of there.keys()) {
    for (const { to, grows } of handedOnBy(from, roles)) {
      if (!there.has(to)) there.set(to, from);
      handedBy.set(to, (handedBy.get(to) ?? new Set()).add(from));
      if (grows) growing.push({ from, to });
    }
  }
  const back: Steps = new Map([[role.roleId, undefined]]);
  for (const to of back.keys()) {
    for (const from of handedBy.get(to) ?? []) if (!back.has(from)) back.set(from, to);
  }
  const endless = growing.find(({ to }) => back.has(to));
  return endless && [...wayTo(endless.from, there), ...wayTo(endless.to, back).reverse()];
}

function grantedWithin(roleId: string, scope: string, roles: Roles): string[] {
  const reach = reachWithin(roleId, scope);
  return reach ? roles.granted(reach) : [];
}

/** The roles that a role hands its parameter on to, and whether that may be longer then. */
function handedOnBy(roleId: string, roles: Roles): { to: string; grows: boolean }[] {
  if (!roleId.endsWith('*')) return [];
  return roles.get(roleId).scopes.flatMap((scope) => {
    const at = scope.indexOf(PARAMETER);
    if (at < 0) return [];
    const isFollowed = scope.length > at + PARAMETER.length;
    return grantedWithin(roleId, scope, roles)
      .filter((to) => to.endsWith('*'))
      .map((to) => ({ to, grows: isFollowed || at > grantingScope(to).length - 1 }));
  });
}

/** Each id that was reached, with the one from which it was reached first; the first has none. */
type Steps = Map<string, string | undefined>;

function wayTo(id: string, steps: Steps): string[] {
  const way: string[] = [];
  for (let at: string | undefined = id; at !== undefined; at = steps.get(at)) way.push(at);
  return way.reverse();
}
