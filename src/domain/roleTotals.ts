import type { RoleIndex } from './roleIndex.ts';
import { keyOf, type Reach, reachWithin, type RoleDefinition, takesParameter, textOf } from './roleReach.ts';
import { isFanOutTooLarge, MAX_FAN_OUT, type FanOut, fanOutOf } from './parameterFanOut.ts';
import { SortedStringSet } from './sortedStringSet.ts';
import { withRole } from './withRole.ts';
import { type Sliced, sizeOfScopes, type Work } from './work.ts';

type Index = RoleIndex<RoleDefinition>;

/** What roles may have: all of them together, the scopes of one that may grant roles, and what may come of one parameter. */
export type RoleLimits = { scopes: number; granting: number; fromOne: FanOut };

/** Where nothing else is set. Real deployments have a few thousand scopes, a dozen that grant roles in one, and a few from a parameter. */
export const ROLE_LIMITS: RoleLimits = { scopes: 200_000, granting: 2000, fromOne: MAX_FAN_OUT };

/** Why a change is too much, as its refusal says it. */
export type Excess = { message: string; details: Record<string, unknown> };

/** What a role with a parameter makes of each, and with how many parameters the scopes of roles may grant it. */
type Part = { spread: FanOut; parameters: number };

/** What a change would make of the totals. */
type Change = { own: number; parts: Map<string, Part | undefined> };

/**
 * How many scopes all roles have together, with those that the roles with parameters make for the scopes of other roles. As an
 * expansion goes to each grant once, none that begins with one scope can produce more, whichever scope that is: while the
 * total is within the limit, nobody's change makes what others hold too large to expand.
 *
 * A change of the roles only notes what it may have changed of the totals, as it must not take long; whoever judges the next one
 * looks at that first.
 */
export class RoleTotals {
  #index: Index;
  #limits: RoleLimits;
  #own = 0;
  #parts = new Map<string, Part>();
  #made = 0;
  /** Roles of which it is to be looked at anew what they make of a parameter, and with how many they may be granted. */
  #stale = new Set<string>();
  /** Roles that changed: of those that hand a parameter on to them, the same is to be looked at. */
  #changed = new Set<string>();

  constructor(index: Index, limits = ROLE_LIMITS) {
    this.#index = index;
    this.#limits = limits;
  }

  /** In slices. */
  *total(work: Work): Sliced<number> {
    yield* this.#bringUpToDate(work);
    return this.#own + this.#made;
  }

  /** Counts all roles of the index anew. */
  count(): void {
    this.#own = this.#made = 0;
    this.#parts.clear();
    this.#changed.clear();
    this.#stale.clear();
    for (const role of this.#index.values()) {
      this.#own += ownSize(role);
      if (this.#index.takesParameter(role.roleId)) this.#stale.add(role.roleId);
    }
  }

  /** To be called just before the index changes: a role takes the place of the stored one, or (undefined) nothing does. */
  change(roleId: string, role: RoleDefinition | undefined): void {
    const stored = this.#index.get(roleId);
    this.#own += (role ? ownSize(role) : 0) - (stored ? ownSize(stored) : 0);
    if (this.#index.takesParameter(roleId) || (role && takesParameter(role))) this.#changed.add(roleId);
    const { come, gone } = changedReaches(stored, role);
    for (const id of this.#starredStartsOfAny([...come, ...gone])) this.#stale.add(id);
  }

  /**
   * Why a role, in the place of the stored one of its id, would be too much; undefined where it is not. Having less never is. In
   * slices; throws ExpansionTooLarge where it takes too much work to know.
   */
  *excessOf(role: RoleDefinition, work: Work): Sliced<Excess | undefined> {
    const { scopes: limit, granting: mostGranting, fromOne } = this.#limits;
    const isTooMuch = (spread: FanOut): boolean => isFanOutTooLarge(spread, fromOne);
    const { roleId, scopes } = role;
    const stored = new Set(this.#index.get(roleId)?.scopes);
    if (scopes.every((scope) => stored.has(scope))) return undefined;
    const granting = reachesOf(role).length;
    if (granting > mostGranting)
      return {
        message: `role '${roleId}' would have ${granting} scopes that may grant roles; at most ${mostGranting} are possible`,
        details: { roleId, limit: mostGranting },
      };
    const before = yield* this.total(work);
    const { own, parts } = yield* this.#changeBy(role, work);
    for (const [id, part] of parts)
      // What another role makes too much of since before there was a limit keeps nobody else from changes.
      if (
        part &&
        isTooMuch(part.spread) &&
        (id === roleId || !isTooMuch(this.#parts.get(id)?.spread ?? NOTHING))
      )
        return {
          message:
            `role '${id}' would make too much of one parameter: at most ${fromOne.grants} grants with a parameter and ` +
            `${fromOne.scopes} scopes may come of one, through all roles that it is handed on to`,
          details: { roleId: id },
        };
    let total = before + own;
    for (const [id, part] of parts) total += madeBy(part) - madeBy(this.#parts.get(id));
    if (total > limit && total > before)
      return {
        message:
          `all roles together would have ${total} scopes, those included that parameters make; ` +
          `at most ${limit} are possible (MAX_ROLE_SCOPES)`,
        details: { limit },
      };
    return undefined;
  }

  /** What was noted is not the work of whoever comes next: it is done in slices, and not limited. */
  *#bringUpToDate(work: Work): Sliced<void> {
    while (this.#changed.size > 0 || this.#stale.size > 0) {
      yield* this.#noteHanding(work);
      const [next] = this.#stale;
      if (next !== undefined) yield* this.#lookAnewAt(next, work);
    }
  }

  *#noteHanding(work: Work): Sliced<void> {
    if (this.#changed.size === 0) return;
    const handing = new Set(this.#changed);
    this.#changed.clear();
    let isDone = false;
    try {
      yield* this.#addHanding(handing, this.#index, (units) => work.pass(units));
      isDone = true;
    } finally {
      for (const id of handing) (isDone ? this.#stale : this.#changed).add(id);
    }
  }

  *#lookAnewAt(roleId: string, work: Work): Sliced<void> {
    this.#stale.delete(roleId);
    let isDone = false;
    try {
      const role = this.#index.get(roleId);
      const roles = withRole(role ?? { roleId, scopes: [] }, this.#index);
      const spread = roles.takesParameter(roleId)
        ? yield* fanOutOf(roleId, { roles, most: this.#limits.fromOne }, (units) => work.pass(units))
        : undefined;
      this.#set(roleId, spread && { spread, parameters: this.#index.parametersOf(roleId) });
      isDone = true;
    } finally {
      if (!isDone) this.#stale.add(roleId);
    }
  }

  #set(roleId: string, part: Part | undefined): void {
    this.#made += madeBy(part) - madeBy(this.#parts.get(roleId));
    if (part) this.#parts.set(roleId, part);
    else this.#parts.delete(roleId);
  }

  /** What a role, in the place of the stored one, would change. */
  *#changeBy(role: RoleDefinition, work: Work): Sliced<Change> {
    const { roleId } = role;
    const stored = this.#index.get(roleId);
    const roles = withRole(role, this.#index);
    const spend = (units: number): boolean => work.spend(units);
    const handing = new Set<string>();
    if (this.#index.takesParameter(roleId) || roles.takesParameter(roleId)) {
      handing.add(roleId);
      yield* this.#addHanding(handing, roles, spend);
    }
    const come = new Reached();
    const gone = new Reached();
    const changed = changedReaches(stored, role);
    const isOnlyHere = (reach: Reach): boolean => !this.#index.isReachedByOthers(reach, roleId);
    come.addAll(changed.come.filter(isOnlyHere));
    gone.addAll(changed.gone.filter(isOnlyHere));
    if (work.spend(2 * (changed.come.length + changed.gone.length))) yield;
    const granted = this.#starredStartsOfAny([...changed.come, ...changed.gone]);
    const parts = new Map<string, Part | undefined>();
    for (const id of new Set([...handing, ...granted, roleId])) {
      if (spend(2)) yield;
      if (!roles.takesParameter(id)) {
        if (this.#parts.has(id)) parts.set(id, undefined);
        continue;
      }
      const start = id.slice(0, -1);
      const known = handing.has(id) ? undefined : this.#parts.get(id);
      parts.set(id, {
        spread: known?.spread ?? (yield* fanOutOf(id, { roles, most: this.#limits.fromOne }, spend)),
        parameters:
          this.#index.parametersOf(id) + come.countStartingWith(start) - gone.countStartingWith(start),
      });
    }
    return { own: ownSize(role) - (stored ? ownSize(stored) : 0), parts };
  }

  /** Adds the roles that hand a parameter on to those of a set, through all others that do. */
  *#addHanding(
    handing: Set<string>,
    roles: Pick<Index, 'takesParameter'>,
    count: (units: number) => boolean,
  ): Sliced<void> {
    for (const id of handing) {
      const holders = this.#index.holdersOf(id);
      for (const holder of holders) if (roles.takesParameter(holder)) handing.add(holder);
      if (count(1 + holders.length)) yield;
    }
  }

  /** The ids ending in a star that any of these reaches grants with a parameter of its own. */
  #starredStartsOfAny(reaches: readonly Reach[]): Set<string> {
    const found = new Set<string>();
    for (const reach of reaches) {
      for (const id of this.#index.eachStarredStartOf(textOf(reach))) {
        // With it, all shorter ones were found.
        if (found.has(id)) break;
        found.add(id);
      }
    }
    return found;
  }
}

/** Reaches, counted by what their texts begin with. */
class Reached {
  #exact = new SortedStringSet();
  #prefix = new SortedStringSet();

  addAll(reaches: readonly Reach[]): void {
    this.#exact.addAll(reaches.flatMap((reach) => ('exact' in reach ? [reach.exact] : [])));
    this.#prefix.addAll(reaches.flatMap((reach) => ('prefix' in reach ? [reach.prefix] : [])));
  }

  countStartingWith(start: string): number {
    return this.#exact.countStartingWith(start) + this.#prefix.countStartingWith(start);
  }
}

/** The reaches that come and go where a role takes the place of a stored one. */
function changedReaches(
  stored: RoleDefinition | undefined,
  role: RoleDefinition | undefined,
): { come: Reach[]; gone: Reach[] } {
  const before = ownReaches(stored);
  const after = ownReaches(role);
  return {
    come: [...after].filter(([key]) => !before.has(key)).map(([, reach]) => reach),
    gone: [...before].filter(([key]) => !after.has(key)).map(([, reach]) => reach),
  };
}

/** What a role that makes far too much of a parameter counts as: such roles were imported before there was a limit. */
const MOST_COUNTED = 100_000;
const NOTHING: FanOut = { grants: 0, scopes: 0 };

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
  return new Map((role ? reachesOf(role) : []).map((reach) => [keyOf(reach), reach]));
}
