import type { RoleIndex } from './roleIndex.ts';
import { type Reach, reachWithin, type RoleDefinition } from './roleReach.ts';
import { isSpreadTooFar, MOST_FROM_ONE, type Spread, spreadOf } from './roleSpread.ts';
import { withRole } from './withRole.ts';
import { sizeOfScopes } from './work.ts';

type Index = RoleIndex<RoleDefinition>;

/** What roles may have: all of them together, the scopes of one that may grant roles, and what may come of one parameter. */
export type RoleLimits = { scopes: number; granting: number; fromOne: Spread };

/** Where nothing else is set. Real deployments have a few thousand scopes, a dozen that grant roles in one, and a few from a parameter. */
export const ROLE_LIMITS: RoleLimits = { scopes: 200_000, granting: 2000, fromOne: MOST_FROM_ONE };

/** Why a change is too much, as its refusal says it. */
export type Excess = { message: string; details: Record<string, unknown> };

/** What a role with a parameter makes of each, and with how many parameters the scopes of roles may grant it. */
type Part = { spread: Spread; parameters: number };

/** What a change would make of the totals. */
type Change = { own: number; parts: Map<string, Part | undefined> };

/**
 * How many scopes all roles have together, with those that the roles with parameters make for the scopes of other roles. As an
 * expansion goes to each grant once, none that begins with one scope can produce more, whichever scope that is: while the
 * total is within the limit, nobody's change makes what others hold too large to expand.
 */
export class RoleTotals {
  #index: Index;
  #limits: RoleLimits;
  #own = 0;
  #parts = new Map<string, Part>();
  #made = 0;

  constructor(index: Index, limits = ROLE_LIMITS) {
    this.#index = index;
    this.#limits = limits;
  }

  get total(): number {
    return this.#own + this.#made;
  }

  /** Counts all roles of the index anew. */
  count(): void {
    this.#own = this.#made = 0;
    this.#parts.clear();
    for (const role of this.#index.values()) {
      this.#own += ownSize(role);
      if (!this.#index.takesParameter(role.roleId)) continue;
      const part = this.#partOf(role.roleId, withRole(role, this.#index), 0);
      this.#parts.set(role.roleId, part);
      this.#made += madeBy(part);
    }
  }

  /** To be called just before the index changes: a role takes the place of the stored one, or (undefined) nothing does. */
  change(roleId: string, role: RoleDefinition | undefined): void {
    const { own, parts } = this.#changeBy(roleId, role);
    this.#own += own;
    for (const [id, part] of parts) {
      this.#made += madeBy(part) - madeBy(this.#parts.get(id));
      if (part) this.#parts.set(id, part);
      else this.#parts.delete(id);
    }
  }

  /** Why a role, in the place of the stored one of its id, would be too much; undefined where it is not. Having less never is. */
  excessOf(role: RoleDefinition): Excess | undefined {
    const { scopes: limit, granting: mostGranting, fromOne } = this.#limits;
    const isTooMuch = (spread: Spread): boolean => isSpreadTooFar(spread, fromOne);
    const { roleId, scopes } = role;
    const stored = new Set(this.#index.get(roleId)?.scopes);
    if (scopes.every((scope) => stored.has(scope))) return undefined;
    const granting = reachesOf(role).length;
    if (granting > mostGranting)
      return {
        message: `role '${roleId}' would have ${granting} scopes that may grant roles; at most ${mostGranting} are possible`,
        details: { roleId, limit: mostGranting },
      };
    const { own, parts } = this.#changeBy(roleId, role);
    for (const [id, part] of parts)
      if (part && isTooMuch(part.spread) && !isTooMuch(this.#parts.get(id)?.spread ?? NOTHING))
        return {
          message:
            `role '${id}' would make too much of one parameter: at most ${fromOne.grants} grants with a parameter and ` +
            `${fromOne.scopes} scopes may come of one, through all roles that it is handed on to`,
          details: { roleId: id },
        };
    let total = this.total + own;
    for (const [id, part] of parts) total += madeBy(part) - madeBy(this.#parts.get(id));
    if (total > limit && total > this.total)
      return {
        message:
          `all roles together would have ${total} scopes, those included that parameters make; ` +
          `at most ${limit} are possible (MAX_ROLE_SCOPES)`,
        details: { limit },
      };
    return undefined;
  }

  #changeBy(roleId: string, role: RoleDefinition | undefined): Change {
    const stored = this.#index.get(roleId);
    const own = (role ? ownSize(role) : 0) - (stored ? ownSize(stored) : 0);
    const roles = withRole(role ?? { roleId, scopes: [] }, this.#index);
    const added = this.#parametersChanged(stored, role, roles);
    const affected = new Set(added.keys());
    if (this.#index.takesParameter(roleId) || (role && roles.takesParameter(roleId))) {
      const handing = new Set([roleId]);
      for (const id of handing)
        for (const holder of this.#index.holdersOf(id)) if (roles.takesParameter(holder)) handing.add(holder);
      handing.forEach((id) => affected.add(id));
    }
    const parts = new Map<string, Part | undefined>();
    for (const id of affected) {
      const isThere = roles.takesParameter(id) && (id !== roleId || role !== undefined);
      parts.set(id, isThere ? this.#partOf(id, roles, added.get(id) ?? 0) : undefined);
    }
    return { own, parts };
  }

  /** By how many the parameters of which roles would change: those that no other role's scope gives come or go. */
  #parametersChanged(
    stored: RoleDefinition | undefined,
    role: RoleDefinition | undefined,
    roles: ReturnType<typeof withRole>,
  ): Map<string, number> {
    const changed = new Map<string, number>();
    const before = ownReaches(stored);
    const after = ownReaches(role);
    const note = (reach: Reach, by: number): void => {
      const text = 'exact' in reach ? reach.exact : reach.prefix;
      const ids = this.#index.starredStartsOf(text);
      if (
        role?.roleId.endsWith('*') &&
        !this.#index.get(role.roleId) &&
        text.startsWith(role.roleId.slice(0, -1))
      )
        ids.push(role.roleId);
      for (const id of ids) if (roles.takesParameter(id)) changed.set(id, (changed.get(id) ?? 0) + by);
    };
    const isOnlyHere = (reach: Reach): boolean =>
      !this.#index.isReachedByOthers(reach, (stored ?? role)!.roleId);
    for (const [key, reach] of before) if (!after.has(key) && isOnlyHere(reach)) note(reach, -1);
    for (const [key, reach] of after) if (!before.has(key) && isOnlyHere(reach)) note(reach, 1);
    return changed;
  }

  #partOf(roleId: string, roles: ReturnType<typeof withRole>, added: number): Part {
    return {
      spread: spreadOf(roleId, roles, this.#limits.fromOne),
      parameters: this.#index.parametersOf(roleId) + added,
    };
  }
}

/** What a role that makes far too much of a parameter counts as: such roles were imported before there was a limit. */
const MOST_COUNTED = 100_000;
const NOTHING: Spread = { grants: 0, scopes: 0 };

/** With one parameter more than scopes give: that of the stars that cover its id. */
function madeBy(part: Part | undefined): number {
  return part ? (1 + part.parameters) * Math.min(part.spread.scopes, MOST_COUNTED) : 0;
}

/** A role takes some place even without a scope. */
function ownSize({ scopes }: RoleDefinition): number {
  return 1 + sizeOfScopes(scopes);
}

function reachesOf({ roleId, scopes }: RoleDefinition): Reach[] {
  return scopes.map((scope) => reachWithin(roleId, scope)).filter((reach) => reach !== undefined);
}

function ownReaches(role: RoleDefinition | undefined): Map<string, Reach> {
  return new Map(
    (role ? reachesOf(role) : []).map((reach) => [
      'exact' in reach ? `=${reach.exact}` : `${reach.prefix}*`,
      reach,
    ]),
  );
}
