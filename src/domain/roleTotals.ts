import type { RoleIndex } from './roleIndex.ts';
import { patternKey, type GrantPattern, grantPatternWithin, patternText } from './grantPattern.ts';
import { type RoleDefinition, takesParameter } from './roleDefinition.ts';
import { isFanOutTooLarge, MAX_FAN_OUT, type FanOut, parameterFanOut } from './parameterFanOut.ts';
import { SortedStringSet } from './sortedStringSet.ts';
import { overlayRole } from './overlayRole.ts';
import { sizeOfScopes, type WorkBudget } from './workBudget.ts';
import type { TimeSliced } from './timeSliced.ts';

type Index = RoleIndex<RoleDefinition>;

/**
 * Limits on roles: `scopes` of all roles together, derived ones included; `grantingScopes` of one role, which may grant
 * roles; `fanOut` of one parameter.
 */
export type RoleLimits = { scopes: number; grantingScopes: number; fanOut: FanOut };

/**
 * The defaults. Real deployments have a few thousand scopes, a dozen granting scopes in a role, and a fan-out of a few.
 */
export const ROLE_LIMITS: RoleLimits = { scopes: 200_000, grantingScopes: 2000, fanOut: MAX_FAN_OUT };

/** Which limit a change would exceed: the message and details of the refusal. */
export type LimitViolation = { message: string; details: Record<string, unknown> };

/**
 * A parameterised role's part of the total: its fan-out, and with how many parameters the scopes of roles may grant it.
 */
type Contribution = { fanOut: FanOut; parameters: number };

/** How a change of a role would affect the total; a contribution of undefined is removed. */
type TotalsChange = { ownDelta: number; contributions: Map<string, Contribution | undefined> };

/**
 * How many scopes all roles have together: their own, and those derived from the scopes of other roles by parameters.
 * An expansion visits each grant once, so that no expansion of one scope can produce more than the total. As long as
 * the total is within the limit, no change makes the scopes that others hold too large to expand.
 *
 * A change of the roles must be fast, so it only marks the contributions that it may affect as stale. They are
 * recomputed before the total is next used.
 */
export class RoleTotals {
  #index: Index;
  #limits: RoleLimits;
  #ownScopes = 0;
  #contributions = new Map<string, Contribution>();
  #derivedScopes = 0;
  /** Roles whose contribution must be recomputed. */
  #stale = new Set<string>();
  /** Parameterised roles that changed: the contributions of those that pass a parameter on to them are stale, too. */
  #changed = new Set<string>();

  constructor(index: Index, limits = ROLE_LIMITS) {
    this.#index = index;
    this.#limits = limits;
  }

  /** The total, in time slices. */
  *total(work: WorkBudget): TimeSliced<number> {
    yield* this.#bringUpToDate(work);
    return this.#ownScopes + this.#derivedScopes;
  }

  /** Starts anew with all roles of the index. */
  recount(): void {
    this.#ownScopes = this.#derivedScopes = 0;
    this.#contributions.clear();
    this.#changed.clear();
    this.#stale.clear();
    for (const role of this.#index.values()) {
      this.#ownScopes += ownSize(role);
      if (this.#index.takesParameter(role.roleId)) this.#stale.add(role.roleId);
    }
  }

  /** Must be called just before a role of the index is replaced, or deleted (undefined). */
  beforeChange(roleId: string, role: RoleDefinition | undefined): void {
    const stored = this.#index.get(roleId);
    this.#ownScopes += (role ? ownSize(role) : 0) - (stored ? ownSize(stored) : 0);
    if (this.#index.takesParameter(roleId) || (role && takesParameter(role))) this.#changed.add(roleId);
    const { added, removed } = changedPatterns(stored, role);
    for (const id of this.#starredPrefixesOfAny([...added, ...removed])) this.#stale.add(id);
  }

  /**
   * Which limit would be exceeded if a role replaced the stored one with its id; undefined if none. Removing scopes
   * never exceeds one. In time slices; throws ExpansionTooLarge if the check takes too much work.
   */
  *limitViolation(role: RoleDefinition, work: WorkBudget): TimeSliced<LimitViolation | undefined> {
    const { scopes: limit, grantingScopes: maxGranting, fanOut: maxFanOut } = this.#limits;
    const isTooLarge = (fanOut: FanOut): boolean => isFanOutTooLarge(fanOut, maxFanOut);
    const { roleId, scopes } = role;
    const stored = new Set(this.#index.get(roleId)?.scopes);
    if (scopes.every((scope) => stored.has(scope))) return undefined;
    const granting = patternsOf(role).length;
    if (granting > maxGranting)
      return {
        message: `role '${roleId}' would have ${granting} scopes that may grant roles; at most ${maxGranting} are possible`,
        details: { roleId, limit: maxGranting },
      };
    const before = yield* this.total(work);
    const { ownDelta, contributions } = yield* this.#changeBy(role, work);
    for (const [id, contribution] of contributions)
      // Another role that was too large before the change (stored before the limit existed) does not block it.
      if (
        contribution &&
        isTooLarge(contribution.fanOut) &&
        (id === roleId || !isTooLarge(this.#contributions.get(id)?.fanOut ?? NO_FAN_OUT))
      )
        return {
          message:
            `role '${id}' would make too much of one parameter: at most ${maxFanOut.grants} grants with a parameter and ` +
            `${maxFanOut.scopes} scopes may come of one, through all roles that it is handed on to`,
          details: { roleId: id },
        };
    let total = before + ownDelta;
    for (const [id, contribution] of contributions)
      total += derivedScopes(contribution) - derivedScopes(this.#contributions.get(id));
    if (total > limit && total > before)
      return {
        message:
          `all roles together would have ${total} scopes, those included that parameters make; ` +
          `at most ${limit} are possible (MAX_ROLE_SCOPES)`,
        details: { limit },
      };
    return undefined;
  }

  /** Not limited by the budget: this work was caused by earlier changes, not by the caller's. */
  *#bringUpToDate(work: WorkBudget): TimeSliced<void> {
    while (this.#changed.size > 0 || this.#stale.size > 0) {
      yield* this.#markForwarding(work);
      const [next] = this.#stale;
      if (next !== undefined) yield* this.#recompute(next, work);
    }
  }

  *#markForwarding(work: WorkBudget): TimeSliced<void> {
    if (this.#changed.size === 0) return;
    const forwarding = new Set(this.#changed);
    this.#changed.clear();
    let isDone = false;
    try {
      yield* this.#addForwarding(forwarding, this.#index, (units) => work.spendUnlimited(units));
      isDone = true;
    } finally {
      for (const id of forwarding) (isDone ? this.#stale : this.#changed).add(id);
    }
  }

  *#recompute(roleId: string, work: WorkBudget): TimeSliced<void> {
    this.#stale.delete(roleId);
    let isDone = false;
    try {
      const role = this.#index.get(roleId);
      const roles = overlayRole(role ?? { roleId, scopes: [] }, this.#index);
      const fanOut = roles.takesParameter(roleId)
        ? yield* parameterFanOut(roleId, { roles, max: this.#limits.fanOut }, (units) =>
            work.spendUnlimited(units),
          )
        : undefined;
      this.#set(roleId, fanOut && { fanOut, parameters: this.#index.countParameters(roleId) });
      isDone = true;
    } finally {
      if (!isDone) this.#stale.add(roleId);
    }
  }

  #set(roleId: string, contribution: Contribution | undefined): void {
    this.#derivedScopes += derivedScopes(contribution) - derivedScopes(this.#contributions.get(roleId));
    if (contribution) this.#contributions.set(roleId, contribution);
    else this.#contributions.delete(roleId);
  }

  /** How the total would change if a role replaced the stored one. */
  *#changeBy(role: RoleDefinition, work: WorkBudget): TimeSliced<TotalsChange> {
    const { roleId } = role;
    const stored = this.#index.get(roleId);
    const roles = overlayRole(role, this.#index);
    const spend = (units: number): boolean => work.spend(units);
    const forwarding = new Set<string>();
    if (this.#index.takesParameter(roleId) || roles.takesParameter(roleId)) {
      forwarding.add(roleId);
      yield* this.#addForwarding(forwarding, roles, spend);
    }
    const added = new PatternCounts();
    const removed = new PatternCounts();
    const changed = changedPatterns(stored, role);
    const isOwnOnly = (pattern: GrantPattern): boolean => !this.#index.hasOtherDependent(pattern, roleId);
    added.addAll(changed.added.filter(isOwnOnly));
    removed.addAll(changed.removed.filter(isOwnOnly));
    if (work.spend(2 * (changed.added.length + changed.removed.length))) yield;
    const granted = this.#starredPrefixesOfAny([...changed.added, ...changed.removed]);
    const contributions = new Map<string, Contribution | undefined>();
    for (const id of new Set([...forwarding, ...granted, roleId])) {
      if (spend(2)) yield;
      if (!roles.takesParameter(id)) {
        if (this.#contributions.has(id)) contributions.set(id, undefined);
        continue;
      }
      const start = id.slice(0, -1);
      const current = forwarding.has(id) ? undefined : this.#contributions.get(id);
      contributions.set(id, {
        fanOut: current?.fanOut ?? (yield* parameterFanOut(id, { roles, max: this.#limits.fanOut }, spend)),
        parameters:
          this.#index.countParameters(id) + added.countStartingWith(start) - removed.countStartingWith(start),
      });
    }
    return { ownDelta: ownSize(role) - (stored ? ownSize(stored) : 0), contributions };
  }

  /** Adds to a set the roles that pass a parameter on to those in it, directly or through others. */
  *#addForwarding(
    forwarding: Set<string>,
    roles: Pick<Index, 'takesParameter'>,
    count: (units: number) => boolean,
  ): TimeSliced<void> {
    for (const id of forwarding) {
      const dependents = this.#index.dependentsOf(id);
      for (const dependent of dependents) if (roles.takesParameter(dependent)) forwarding.add(dependent);
      if (count(1 + dependents.length)) yield;
    }
  }

  /** The ids ending in a star that any of these patterns grants with a parameter of its own. */
  #starredPrefixesOfAny(patterns: readonly GrantPattern[]): Set<string> {
    const found = new Set<string>();
    for (const pattern of patterns) {
      for (const id of this.#index.eachStarredPrefixOf(patternText(pattern))) {
        // All shorter ones were found together with it.
        if (found.has(id)) break;
        found.add(id);
      }
    }
    return found;
  }
}

/** Counts patterns by the prefixes of their texts. */
class PatternCounts {
  #exact = new SortedStringSet();
  #prefix = new SortedStringSet();

  addAll(patterns: readonly GrantPattern[]): void {
    this.#exact.addAll(patterns.flatMap((pattern) => ('exact' in pattern ? [pattern.exact] : [])));
    this.#prefix.addAll(patterns.flatMap((pattern) => ('prefix' in pattern ? [pattern.prefix] : [])));
  }

  countStartingWith(start: string): number {
    return this.#exact.countStartingWith(start) + this.#prefix.countStartingWith(start);
  }
}

/** The patterns that are added and removed if a role replaces a stored one. */
function changedPatterns(
  stored: RoleDefinition | undefined,
  role: RoleDefinition | undefined,
): { added: GrantPattern[]; removed: GrantPattern[] } {
  const before = patternsByKey(stored);
  const after = patternsByKey(role);
  return {
    added: [...after].filter(([key]) => !before.has(key)).map(([, pattern]) => pattern),
    removed: [...before].filter(([key]) => !after.has(key)).map(([, pattern]) => pattern),
  };
}

/**
 * A larger fan-out counts as this many scopes: roles that were imported before there was a limit may have an infinite
 * one.
 */
const MAX_COUNTED = 100_000;
const NO_FAN_OUT: FanOut = { grants: 0, scopes: 0 };

/** The scopes that a role derives from parameters. One more than counted: the `*` of scopes that cover its id. */
function derivedScopes(contribution: Contribution | undefined): number {
  return contribution ? (1 + contribution.parameters) * Math.min(contribution.fanOut.scopes, MAX_COUNTED) : 0;
}

/** A role counts as one even without scopes. */
function ownSize({ scopes }: RoleDefinition): number {
  return 1 + sizeOfScopes(scopes);
}

function patternsOf({ roleId, scopes }: RoleDefinition): GrantPattern[] {
  return scopes.map((scope) => grantPatternWithin(roleId, scope)).filter((pattern) => pattern !== undefined);
}

function patternsByKey(role: RoleDefinition | undefined): Map<string, GrantPattern> {
  return new Map((role ? patternsOf(role) : []).map((pattern) => [patternKey(pattern), pattern]));
}
