import { LRUCache } from 'lru-cache';
import { Expansions } from './expansions.ts';
import { UnseenDependencies } from './unseenDependencies.ts';
import { cycleThrough, unboundedCycleThrough } from './roleCycles.ts';
import { RoleIndex } from './roleIndex.ts';
import { grantingScope, type RoleDefinition } from './roleDefinition.ts';
import { RolesSnapshot } from './rolesSnapshot.ts';
import { type LimitViolation, ROLE_LIMITS, RoleTotals } from './roleTotals.ts';
import { mergeInSlices, normalizeInSlices } from './scopes.ts';
import { ExpansionTooLarge, WorkBudget } from './workBudget.ts';
import { runToCompletion, type TimeSliced } from './timeSliced.ts';

type Scopes = readonly string[];

/** An expansion with the lists that it was merged from, and the version of the roles for which it holds. */
type CachedExpansion = { scopes: Scopes; from: readonly Scopes[]; version: number; bytes: number };

/** Bytes, approximately, of the cache of expansions. */
const MAX_CACHE_BYTES = 64 * 1024 * 1024;
/** Bytes, approximately, of the cache of refusals. */
const MAX_REFUSAL_BYTES = 16 * 1024 * 1024;
/**
 * Bytes that a cache entry takes: its overhead, for each list that it refers to, and for each scope besides its
 * characters.
 */
const ENTRY_BYTES = 300;
const REFERENCE_BYTES = 8;
const SCOPE_BYTES = 40;
/** How often an expansion is redone at most because roles changed between its time slices. */
const MAX_ROUNDS = 3;

/**
 * The role-expansion index: all roles, and what each expands to.
 *
 * A scope set expands to the smallest set that contains it and, for every scope in it that grants a role, the scopes of
 * that role. An expansion is the merge of the precomputed lists of all roles that are reached. Example: with the roles
 * a -> [assume:b, x] and b -> [y], expanding [assume:a, z] merges [assume:a, z], [assume:b, x] and [y].
 *
 * Cached results of a role are invalidated when the role, or one that it reaches, changes, and only then.
 */
export class RoleGraph<R extends RoleDefinition> {
  #index = new RoleIndex<R>();
  #limits: typeof ROLE_LIMITS;
  #totals: RoleTotals;
  #expansions = new Expansions();
  #cache = new LRUCache<string, CachedExpansion>({
    maxSize: MAX_CACHE_BYTES,
    // A larger one would evict too many others at once.
    maxEntrySize: MAX_CACHE_BYTES / 2,
    sizeCalculation: ({ bytes }) => bytes,
  });
  /** Expansions that were too large at a version. Finding that out takes longest of all. */
  #refusals = new LRUCache<string, { version: number; limit: number }>({
    maxSize: MAX_REFUSAL_BYTES,
    sizeCalculation: (_, key) => ENTRY_BYTES + 2 * key.length,
  });
  /** The snapshots that expansions in progress read. */
  #snapshots = new Set<RolesSnapshot>();
  #version = 0;

  constructor(limits = ROLE_LIMITS) {
    this.#limits = limits;
    this.#totals = new RoleTotals(this.#index, limits);
  }

  get size(): number {
    return this.#index.size;
  }

  /** Increases with every change. */
  get version(): number {
    return this.#version;
  }

  get(roleId: string): R | undefined {
    return this.#index.get(roleId);
  }

  /** At most `limit` ids in byte order, after the given one. */
  idsAfter(after: string | undefined, limit: number): string[] {
    return this.#index.idsAfter(after, limit);
  }

  /** Replaces all roles. */
  load(roles: Iterable<R>): void {
    this.#index = new RoleIndex();
    this.#expansions = new Expansions();
    this.#cache.clear();
    this.#refusals.clear();
    this.#version += 1;
    for (const role of roles) this.#index.set(role);
    this.#totals = new RoleTotals(this.#index, this.#limits);
    this.#totals.recount();
  }

  /** An independent graph with the same roles. */
  clone(): RoleGraph<R> {
    const graph = new RoleGraph<R>(this.#limits);
    graph.load(this.#index.values());
    return graph;
  }

  set(role: R): void {
    this.#preserve(role.roleId);
    this.#totals.beforeChange(role.roleId, role);
    this.#index.set(role);
    this.#invalidate(role.roleId);
  }

  delete(roleId: string): void {
    if (!this.#index.get(roleId)) return;
    this.#preserve(roleId);
    this.#totals.beforeChange(roleId, undefined);
    this.#index.delete(roleId);
    this.#invalidate(roleId);
  }

  /** What scopes expand to, in normal form, synchronously. Throws ExpansionTooLarge. */
  expand(scopes: Scopes): Scopes {
    return runToCompletion(this.expandInSlices(scopes, new WorkBudget()));
  }

  /**
   * What scopes expand to, in normal form, in time slices. It is the same array as before as long as its content does
   * not change. It holds for the roles at one moment since the call: if roles change between slices, it is redone a few
   * times at most. It refills the budget. Throws ExpansionTooLarge.
   */
  *expandInSlices(scopes: Scopes, work: WorkBudget): TimeSliced<Scopes> {
    const key = scopes.join('\n');
    const cached = this.#cache.get(key);
    if (cached?.version === this.#version) return cached.scopes;
    const refusal = this.#refusals.get(key);
    if (refusal?.version === this.#version && refusal.limit === work.limit)
      throw new ExpansionTooLarge(work.limit);
    const versionAtStart = this.#version;
    work.refill();
    try {
      return yield* this.#expandUncached(key, scopes, work);
    } catch (error) {
      if (error instanceof ExpansionTooLarge)
        this.#refusals.set(key, { version: versionAtStart, limit: work.limit });
      throw error;
    }
  }

  *#expandUncached(key: string, scopes: Scopes, work: WorkBudget): TimeSliced<Scopes> {
    const cached = this.#cache.get(key);
    const held = yield* normalizeInSlices(scopes, work);
    // It covers everything that a role could grant.
    if (held[0] === '*') return held;
    let expansion = cached;
    for (let round = 1; round <= MAX_ROUNDS && expansion?.version !== this.#version; round += 1)
      expansion = yield* this.#computeExpansion({ key, held, former: expansion }, work);
    this.#cache.set(key, expansion!);
    return expansion!.scopes;
  }

  /** Returns the former scopes again if they were merged from the same lists. */
  *#computeExpansion(
    { key, held, former }: { key: string; held: Scopes; former: CachedExpansion | undefined },
    work: WorkBudget,
  ): TimeSliced<CachedExpansion> {
    const { lists, version } = yield* this.inSnapshot((roles) => this.#listsIn(roles, held, work));
    if (former && isSame(former.from, lists)) return { ...former, version };
    const scopes = yield* mergeInSlices([held, ...lists], work);
    const from = [...lists];
    // Each character counts twice: a substituted scope is a string of its own, and a reply's JSON text repeats it.
    const characters = scopes.reduce((sum, { length }) => sum + length, key.length);
    const bytes = ENTRY_BYTES + 2 * characters + SCOPE_BYTES * scopes.length + REFERENCE_BYTES * from.length;
    return { scopes, from, version, bytes };
  }

  *#listsIn(roles: RolesSnapshot, held: Scopes, work: WorkBudget) {
    return { lists: yield* this.#expansions.listsOf(held, roles, work), version: roles.version };
  }

  /** Runs a computation in time slices on the roles as they are now, whatever changes meanwhile. */
  *inSnapshot<Result>(compute: (roles: RolesSnapshot) => TimeSliced<Result>): TimeSliced<Result> {
    const roles = new RolesSnapshot(this.#index, this.#version);
    this.#snapshots.add(roles);
    try {
      return yield* compute(roles);
    } finally {
      this.#snapshots.delete(roles);
    }
  }

  /** What the scope that grants a role expands to, that scope included. Throws ExpansionTooLarge. */
  expandRole(roleId: string): Scopes {
    return this.expand([grantingScope(roleId)]);
  }

  /** The ids of the roles that a role's scopes may grant, in time slices. */
  *dependenciesOf(role: RoleDefinition, work: WorkBudget): TimeSliced<Set<string>> {
    return new Set(yield* new UnseenDependencies(this.#index).of(role, work));
  }

  /**
   * The ids along a dependency cycle on which this role would be if it were stored; the first is repeated at the end.
   * Like all checks of a change, it runs in time slices and throws ExpansionTooLarge if it takes too much work.
   */
  cycleThrough(role: RoleDefinition, work: WorkBudget): TimeSliced<string[] | undefined> {
    return cycleThrough(role, this.#index, work);
  }

  /** Like `cycleThrough`, for cycles along which a parameter would grow without end. */
  unboundedCycleThrough(role: RoleDefinition, work: WorkBudget): TimeSliced<string[] | undefined> {
    return unboundedCycleThrough(role, this.#index, work);
  }

  /** Which limit would be exceeded if this role were stored; undefined if none. Removing scopes never exceeds one. */
  limitViolation(role: RoleDefinition, work: WorkBudget): TimeSliced<LimitViolation | undefined> {
    return this.#totals.limitViolation(role, work);
  }

  /** How many scopes all roles have together, including those derived by parameters from the scopes of other roles. */
  scopeTotal(work: WorkBudget): TimeSliced<number> {
    return this.#totals.total(work);
  }

  /**
   * The ids of these roles, present or not, and of all roles that depend on them, transitively; undefined if these are
   * more than `limit`. It takes some milliseconds at most.
   */
  reaching(roleIds: Iterable<string>, limit: number): Set<string> | undefined {
    const reaching = new Set(roleIds);
    let visited = 0;
    for (const id of reaching) {
      const dependents = this.#index.dependentsOf(id);
      for (const dependent of dependents) reaching.add(dependent);
      visited += 1 + dependents.length;
      if (reaching.size > limit || visited > MAX_VISITED) return undefined;
    }
    return reaching;
  }

  /** The ids of the roles whose granting scopes also grant this role, which is present or not. */
  idsGranting(roleId: string): string[] {
    const text = roleId.endsWith('*') ? roleId.slice(0, -1) : roleId;
    const within = roleId.endsWith('*') ? this.#index.idsCoveredBy({ prefix: text }) : [];
    return [...within, ...this.#index.starredPrefixesOf(text)];
  }

  /** Keeps a role that is about to change in the snapshots of expansions in progress. */
  #preserve(roleId: string): void {
    for (const snapshot of this.#snapshots) snapshot.preserve(roleId, this.#index.get(roleId));
  }

  /**
   * Invalidates what is cached of a role and of all that depend on it, transitively; of all roles if these are very
   * many.
   */
  #invalidate(roleId: string): void {
    this.#version += 1;
    const affected = this.reaching([roleId], Infinity);
    if (!affected) return this.#expansions.invalidateAll(this.#version);
    const roles = [...affected].map((id) => ({ roleId: id, role: this.#index.get(id) }));
    this.#expansions.invalidate(roles, this.#version);
  }
}

/** How many dependents are visited to invalidate roles one by one: some milliseconds of work. */
const MAX_VISITED = 20_000;

function isSame(former: readonly Scopes[], lists: ReadonlySet<Scopes>): boolean {
  return former.length === lists.size && former.every((list) => lists.has(list));
}
