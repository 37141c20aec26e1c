import { Expansions } from './expansions.ts';
import { grantPatternOf, type GrantPattern, parameterFrom, patternKey } from './grantPattern.ts';
import { type RoleDefinition, withParameter } from './roleDefinition.ts';
import { RoleIndex } from './roleIndex.ts';
import { RolesSnapshot } from './rolesSnapshot.ts';
import { mergeInSlices, normalizeInSlices } from './scopes.ts';
import type { TimeSliced } from './timeSliced.ts';
import { RoleScopes } from './whoCan.ts';
import type { WorkBudget } from './workBudget.ts';

type Scopes = readonly string[];

/** Bytes and scopes, approximately, that the expansions of one moment keep. */
const MAX_CLOSURE_BYTES = 2 * 1024 * 1024;
const MAX_MERGED_SCOPES = 20_000;
/** Bytes, approximately, that these take, and of an entry that notes what was followed. */
const EXPANSION_BYTES = 4 * 1024 * 1024;
const NOTE_BYTES = 100;
/** Units of work to index a scope. */
const INDEX_UNITS = 10;
/** How much memory the index of scopes takes, compared with the roles. */
const SCOPES_FACTOR = 2;

/** Finds the ids of roles that may have been there, whose granting scope a pattern matches. */
type Candidates = (pattern: GrantPattern) => Iterable<string>;

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
  #rowBytes = 0;
  #scopes: RoleScopes | undefined;
  /** Whether all roles are loaded. */
  isWhole = false;

  /** Bytes that this takes in memory, approximately, at most. */
  get bytes(): number {
    const ofScopes = this.#scopes ? this.#rowBytes * SCOPES_FACTOR : 0;
    return (
      EXPANSION_BYTES + this.#rowBytes + ofScopes + NOTE_BYTES * (this.#absent.size + this.#followed.size)
    );
  }

  get size(): number {
    return this.#index.size;
  }

  /** Adds a role that takes so many bytes. */
  add(role: R, bytes: number): void {
    this.#index.set(role);
    this.#rowBytes += bytes;
  }

  /** Notes that there was no role with this id. */
  addAbsent(roleId: string): void {
    this.#absent.add(roleId);
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

  /**
   * The ids of roles that scopes reach and that are not loaded, in time slices. Empty once all are: until then, ask again
   * after loading them. Throws ExpansionTooLarge.
   */
  *missing(scopes: Scopes, candidates: Candidates, work: WorkBudget): TimeSliced<Set<string>> {
    const missing = new Set<string>();
    if (this.isWhole) return missing;
    const visited = new Set<string>();
    const waiting = [...scopes];
    const isNew = (key: string): boolean => !this.#followed.has(key) && visited.size < visited.add(key).size;
    for (let scope = waiting.pop(); scope !== undefined; scope = waiting.pop()) {
      if (work.spend()) yield;
      const pattern = grantPatternOf(scope);
      if (!pattern || !isNew(patternKey(pattern))) continue;
      for (const id of candidates(pattern)) {
        if (work.spend()) yield;
        const role = this.get(id);
        if (!role) {
          if (!this.#absent.has(id)) missing.add(id);
          continue;
        }
        const parameter = this.#index.takesParameter(id) ? parameterFrom(pattern, id) : undefined;
        if (!isNew(parameter === undefined ? id : `${id}\n${parameter}`)) continue;
        if (work.spend(role.scopes.length)) yield;
        for (const each of role.scopes)
          waiting.push(parameter === undefined ? each : withParameter(each, parameter));
      }
    }
    if (missing.size === 0) for (const key of visited) this.#followed.add(key);
    return missing;
  }

  /**
   * What scopes expand to, in normal form, in time slices, once nothing is missing for them. Throws ExpansionTooLarge.
   */
  *expandInSlices(scopes: Scopes, work: WorkBudget): TimeSliced<Scopes> {
    work.refill();
    const held = yield* normalizeInSlices(scopes, work);
    if (held[0] === '*') return held;
    const lists = yield* this.#expansions.listsOf(held, this.#snapshot(), work);
    return yield* mergeInSlices([held, ...lists], work);
  }

  /** The own scopes of all roles, indexed, in time slices. All must be loaded. */
  *scopes(work: WorkBudget): TimeSliced<RoleScopes> {
    if (this.#scopes) return this.#scopes;
    const scopes = new RoleScopes();
    for (const role of this.#index.values()) {
      scopes.add(role);
      if (work.spendUnlimited(INDEX_UNITS * role.scopes.length)) yield;
    }
    return (this.#scopes = scopes);
  }

  /** Runs a computation in time slices on the roles. */
  *inSnapshot<Result>(compute: (roles: RolesSnapshot) => TimeSliced<Result>): TimeSliced<Result> {
    return yield* compute(this.#snapshot());
  }

  #snapshot(): RolesSnapshot {
    return new RolesSnapshot(this.#index, 1);
  }
}
