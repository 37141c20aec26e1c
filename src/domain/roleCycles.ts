import { GrantedOnce } from './grantedOnce.ts';
import { grantingScope, keyOf, PARAMETER, reachWithin, type RoleDefinition } from './roleReach.ts';
import { type StoredRoles, withRole } from './withRole.ts';
import type { Sliced, Work } from './work.ts';

type Roles = ReturnType<typeof withRole>;

/**
 * The ids along a shortest dependency cycle that a role, put in the place of the stored one of its id, would be on: the
 * first stands again at the end. Undefined when there is none. A role depends on those that a scope of its may grant. In slices;
 * throws ExpansionTooLarge where it takes too much work to know.
 */
export function* cycleThrough(
  role: RoleDefinition,
  stored: StoredRoles,
  work: Work,
): Sliced<string[] | undefined> {
  const roles = withRole(role, stored);
  const granted = new GrantedOnce(roles);
  const steps: Steps = new Map([[role.roleId, undefined]]);
  for (const id of steps.keys()) {
    for (const next of yield* granted.by(roles.get(id), work)) {
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
export function* unboundedCycleThrough(
  role: RoleDefinition,
  stored: StoredRoles,
  work: Work,
): Sliced<string[] | undefined> {
  const roles = withRole(role, stored);
  const there: Steps = new Map([[role.roleId, undefined]]);
  const handedBy = new Map<string, Set<string>>();
  const growing: { from: string; to: string }[] = [];
  for (const from of there.keys()) {
    for (const { to, grows } of yield* handedOnBy(from, roles, work)) {
      if (!there.has(to)) there.set(to, from);
      handedBy.set(to, (handedBy.get(to) ?? new Set()).add(from));
      if (grows) growing.push({ from, to });
    }
  }
  const back: Steps = new Map([[role.roleId, undefined]]);
  for (const to of back.keys()) {
    const handing = handedBy.get(to) ?? [];
    for (const from of handing) if (!back.has(from)) back.set(from, to);
    if (work.spend()) yield;
  }
  const endless = growing.find(({ to }) => back.has(to));
  return endless && [...wayTo(endless.from, there), ...wayTo(endless.to, back).reverse()];
}

type HandedOn = { to: string; grows: boolean };

/** The roles that a role hands its parameter on to, and whether that may be longer then. */
function* handedOnBy(roleId: string, roles: Roles, work: Work): Sliced<HandedOn[]> {
  const handed = new Map<string, HandedOn>();
  if (!roleId.endsWith('*')) return [];
  const seen = new Set<string>();
  for (const scope of roles.get(roleId).scopes) {
    if (work.spend()) yield;
    const at = scope.indexOf(PARAMETER);
    const reach = at < 0 ? undefined : reachWithin(roleId, scope);
    if (!reach) continue;
    const isFollowed = scope.length > at + PARAMETER.length;
    const key = `${isFollowed} ${keyOf(reach)}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const granted = roles.granted(reach);
    for (const to of granted) {
      if (!to.endsWith('*')) continue;
      const grows = isFollowed || at > grantingScope(to).length - 1;
      handed.set(to, { to, grows: grows || handed.get(to)?.grows === true });
    }
    if (work.spend(granted.length)) yield;
  }
  return [...handed.values()];
}

/** Each id that was reached, with the one from which it was reached first; the first has none. */
type Steps = Map<string, string | undefined>;

function wayTo(id: string, steps: Steps): string[] {
  const way: string[] = [];
  for (let at: string | undefined = id; at !== undefined; at = steps.get(at)) way.push(at);
  return way.reverse();
}
