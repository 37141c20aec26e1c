import { Expansions } from './expansions.ts';
import { grantPatternOf, type GrantPattern, parameterFrom, patternKey, patternText } from './grantPattern.ts';
import { type RoleDefinition, withParameter } from './roleDefinition.ts';
import { RoleIndex } from './roleIndex.ts';
import { RolesSnapshot } from './rolesSnapshot.ts';
import { mergeInSlices, normalizeInSlices } from './scopes.ts';
import type { Lists } from './scopeChange.ts';
import type { TimeSliced } from './timeSliced.ts';
import { RoleScopes } from './roleScopes.ts';
import { unitsToProduce, type WorkBudget } from './workBudget.ts';

type Scopes = readonly string[];

/** Bytes and scopes, approximately, that the expansions of one moment keep. */
const MAX_CLOSURE_BYTES = 2 * 1024 * 1024;
const MAX_MERGED_SCOPES = 20_000;
/** Bytes, approximately, that these take, and of a note of what was followed, besides its text. */
const EXPANSION_BYTES = 4 * 1024 * 1024;
const NOTE_BYTES = 100;
/** Roles that are indexed at once, some milliseconds' work, and units of work to index a scope. */
const INDEXED_AT_ONCE = 200;
const INDEX_UNITS = 2;
/** Bytes, approximately, that a scope takes in the index of scopes, and a role besides. */
const INDEX_BYTES = 200;
const INDEX_ROLE_BYTES = 300;

/** Finds the ids of roles that may have been there, whose granting scope a pattern matches. */
type Candidates = (pattern: GrantPattern) => Iterable<string>;

/** How far some scopes were followed. */
export type Following = {
  /** Scopes that were not looked at yet. */
  waiting: string[];
  /** Patterns that grant roles which were not loaded yet. */
  unloaded: GrantPattern[];
  visited: Set<string>;
};

/**
 * Roles as they were at one moment, which never change. Only those are loaded that some scopes reached: `missing` names
 * them, `add` and `addAbsent` supply them, until nothing is missing. Then everything that these scopes expand to is
 * known, and further roles make no difference to it.
 */
export class FormerRoles<R extends RoleDefinition> {
  #index = new RoleIndex<R>();
  #absent = new Set<string>();
  /** What was followed to its end: patterns, and roles with their parameters. */
  #followed = new Set<string>();
  #expansions = new Expansions({ maxClosureBytes: MAX_CLOSURE_BYTES, maxMergedScopes: MAX_MERGED_SCOPES });
  #bytes = EXPANSION_BYTES;
  /** Whether all roles are loaded. */
  isWhole = false;

  /** Bytes that this takes in memory, approximately, at most. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#index.size;
  }

  /** Adds a role that takes so many bytes, unless another request has added it meanwhile. */
  add(role: R, bytes: number): void {
    if (this.#index.get(role.roleId)) return;
    this.#index.set(role);
    this.#bytes += bytes;
  }

  /** Notes that there was no role with this id. */
  addAbsent(roleId: string): void {
    this.#note(this.#absent, roleId);
  }

  #note(notes: Set<string>, text: string): void {
    if (notes.has(text)) return;
    notes.add(text);
    this.#bytes += NOTE_BYTES + text.length;
  }

  get(roleId: string): R | undefined {
    return this.#index.get(roleId);
  }

  values(): Iterable<R> {
    return this.#index.values();
  }

  /** At most `limit` ids in byte order, after the given one. */
  idsAfter(after: string | undefined, limit: number): string[] {
    return this.#index.idsAfter(after, limit);
  }

  /** Begins to follow scopes to all roles that they reach. */
  follow(scopes: Scopes): Following {
    return { waiting: [...scopes], unloaded: [], visited: new Set() };
  }

  /**
   * Follows scopes, in time slices, as far as roles are loaded. Returns the ids of those that are not: load them and go
   * on, until there is none. Throws ExpansionTooLarge.
   */
  *missing(following: Following, candidates: Candidates, work: WorkBudget): TimeSliced<Set<string>> {
    const missing = new Set<string>();
    if (this.isWhole) return missing;
    const { waiting, visited } = following;
    const isNew = (key: string): boolean => !this.#followed.has(key) && visited.size < visited.add(key).size;
    const again = following.unloaded;
    following.unloaded = [];
    while (again.length > 0 || waiting.length > 0) {
      if (work.spend()) yield;
      const pattern = again.pop() ?? newPattern(waiting.pop()!, isNew);
      if (!pattern) continue;
      if (work.spend(unitsToProduce(patternText(pattern)))) yield;
      let isLoaded = true;
      for (const id of candidates(pattern)) {
        if (work.spend()) yield;
        const role = this.get(id);
        if (!role) {
          if (this.#absent.has(id)) continue;
          missing.add(id);
          isLoaded = false;
          continue;
        }
        const parameter = this.#index.takesParameter(id) ? parameterFrom(pattern, id) : undefined;
        const key = roleKey(id, parameter);
        if (work.spend(unitsToProduce(key))) yield;
        if (!isNew(key)) continue;
        for (const each of role.scopes) {
          const scope = parameter === undefined ? each : withParameter(each, parameter);
          if (work.spend(unitsToProduce(scope))) yield;
          waiting.push(scope);
        }
      }
      if (!isLoaded) following.unloaded.push(pattern);
    }
    if (missing.size === 0) for (const key of visited) this.#note(this.#followed, key);
    return missing;
  }

  /**
   * What scopes expand to, in normal form, in time slices, once nothing is missing for them. Throws ExpansionTooLarge.
   */
  *expandInSlices(scopes: Scopes, work: WorkBudget): TimeSliced<Scopes> {
    const { held, granted } = yield* this.listsInSlices(scopes, work);
    return yield* mergeInSlices([held, ...granted], work);
  }

  /** The same as lists that are not merged. It refills the budget. */
  *listsInSlices(scopes: Scopes, work: WorkBudget): TimeSliced<Lists> {
    work.refill();
    const held = yield* normalizeInSlices(scopes, work);
    // It covers everything that a role could grant.
    if (held[0] === '*') return { held, granted: [] };
    return { held, granted: yield* this.#expansions.listsOf(held, this.#snapshot(), work) };
  }

  /** Makes an index of the own scopes of all roles, in time slices. All must be loaded. */
  *scopes(work: WorkBudget): TimeSliced<RoleScopes> {
    const scopes = new RoleScopes();
    const roles = [...this.#index.values()];
    for (let from = 0; from < roles.length; from += INDEXED_AT_ONCE) {
      const some = roles.slice(from, from + INDEXED_AT_ONCE);
      scopes.addAll(some);
      if (work.spendUnlimited(INDEX_UNITS * countScopes(some))) yield;
    }
    return scopes;
  }

  /** Bytes, approximately, that this index takes, with what it finds out about which role grants which. */
  get scopesBytes(): number {
    return INDEX_ROLE_BYTES * this.size + INDEX_BYTES * countScopes(this.#index.values());
  }

  /** Runs a computation in time slices on the roles. */
  *inSnapshot<Result>(compute: (roles: RolesSnapshot) => TimeSliced<Result>): TimeSliced<Result> {
    return yield* compute(this.#snapshot());
  }

  #snapshot(): RolesSnapshot {
    return new RolesSnapshot(this.#index, 1);
  }
}

function countScopes(roles: Iterable<RoleDefinition>): number {
  let count = 0;
  for (const { scopes } of roles) count += scopes.length;
  return count;
}

/** The pattern of a scope, if it grants roles and is new. */
function newPattern(scope: string, isNew: (key: string) => boolean): GrantPattern | undefined {
  const pattern = grantPatternOf(scope);
  return pattern && isNew(patternKey(pattern)) ? pattern : undefined;
}

/** The key of a role that was followed, with its parameter if it takes one. No key of a pattern has a line feed. */
function roleKey(roleId: string, parameter = ''): string {
  return `${roleId}\n${parameter}`;
}
