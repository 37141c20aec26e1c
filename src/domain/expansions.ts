import { LRUCache } from 'lru-cache';
import { IncrementalMerge } from './incrementalMerge.ts';
import type { RolesSnapshot } from './rolesSnapshot.ts';
import { parameterFrom, type GrantPattern, grantPatternOf } from './grantPattern.ts';
import { type RoleDefinition, withParameter } from './roleDefinition.ts';
import { compareScopes, mergeInSlices, normalizeInSlices, dropCovered } from './scopes.ts';
import { ExpansionTooLarge, sizeOfScopes, type WorkBudget } from './workBudget.ts';
import type { TimeSliced } from './timeSliced.ts';

type Scopes = readonly string[];

/** A role as granted by a scope: its id and, if it is parameterised, a line feed and the parameter. */
type Grant = string;

/** A grant in the graph: the role's own scopes in normal form, and what they grant directly. */
type Node = {
  own: Scopes;
  /** What narrow scopes grant: those that grant at most MAX_NARROW roles. */
  grants: readonly Grant[];
  /** Scopes that grant more roles. What they grant is looked up only when needed. */
  wide: readonly string[];
};

/**
 * The transitive closure of a grant: the lists whose merge is its expansion, and the wide scopes found, which were not
 * followed. Valid until the grant's role, or one that it reaches, changes.
 */
type Closure = { lists: readonly Scopes[]; wide: readonly string[]; version: number; bytes: number };

/**
 * The merged expansion of a wide scope, for a version of the roles. `updating` is set while an update is in progress.
 */
type WideMerge = { merge: IncrementalMerge; list: Scopes; version: number; updating?: TimeSliced<void> };

/** A scope that grants more roles than this is wide: its expansion is merged once and shared by all who hold it. */
const MAX_NARROW = 64;
/**
 * New closures that one expansion computes and caches. Further grants are walked together, as they are if it takes
 * long.
 */
const MAX_NEW_CLOSURES = 64;
/** Bytes, approximately, of the cache of closures. */
const MAX_CLOSURE_BYTES = 32 * 1024 * 1024;
/**
 * Bytes of a closure: its overhead, for each list or scope that it refers to, and for each substituted scope besides
 * its text.
 */
const CLOSURE_BYTES = 250;
const REFERENCE_BYTES = 8;
const SCOPE_BYTES = 40;
/** Limits on the cached merges of wide scopes: their number, and the scopes in all of them, of about 100 bytes each. */
const MAX_MERGES = 16;
const MAX_MERGED_SCOPES = 500_000;
/** How many scopes are counted for one unit of work. */
const COUNTS_PER_UNIT = 16;
/** How many updates of others, mostly for other versions, an expansion joins before it merges on its own. */
const MAX_JOINS = 3;
/** Roles whose last change is remembered individually. */
const MAX_CHANGED = 100_000;

/**
 * What scopes expand to through roles, as the lists whose merge is the result: the own scopes, in normal form, of each
 * role that is visited. All expansions share the list of a role that is not parameterised, as long as it does not
 * change. Each grant is visited once, so that the work is proportional to the roles visited, however they grant each
 * other.
 */
export class Expansions {
  #nodes = new WeakMap<RoleDefinition, Node>();
  #own = new WeakMap<RoleDefinition, Scopes>();
  #closures: LRUCache<string, Closure>;
  #maxMergedScopes: number;
  /** The version at which a role, or something it reaches, last changed. */
  #changedAt = new Map<string, number>();
  #allChangedAt = 0;
  #merges = new Map<string, WideMerge>();

  /** The limits are on what is cached: bytes of closures, and scopes in all merges of wide scopes. */
  constructor({ maxClosureBytes = MAX_CLOSURE_BYTES, maxMergedScopes = MAX_MERGED_SCOPES } = {}) {
    this.#maxMergedScopes = maxMergedScopes;
    this.#closures = new LRUCache({
      maxSize: maxClosureBytes,
      sizeCalculation: ({ bytes }, grant) => bytes + 2 * grant.length,
    });
  }

  /** Invalidates these roles: they, or roles that they reach, changed at a version. */
  invalidate(roles: Iterable<{ roleId: string; role: RoleDefinition | undefined }>, version: number): void {
    for (const { roleId, role } of roles) {
      this.#changedAt.set(roleId, version);
      if (role) this.#nodes.delete(role);
    }
    // Deleted roles would otherwise accumulate.
    if (this.#changedAt.size > MAX_CHANGED) this.invalidateAll(version);
  }

  /** Invalidates all roles: any of them may have changed at a version. */
  invalidateAll(version: number): void {
    this.#allChangedAt = version;
    this.#changedAt.clear();
    this.#closures.clear();
    this.#nodes = new WeakMap();
  }

  /** The lists of all that scopes in normal form grant, in time slices. Throws ExpansionTooLarge. */
  *listsOf(scopes: Scopes, roles: RolesSnapshot, work: WorkBudget): TimeSliced<Set<Scopes>> {
    const found: Found = { lists: new Set(), wide: new Set() };
    const all: Grant[] = [];
    const remaining: Grant[] = [];
    const unitsAtStart = work.units;
    const tookLong = (): boolean => work.units - unitsAtStart > work.limit;
    let computed = 0;
    for (const scope of scopes) {
      const grants = narrowGrants(scope, roles);
      if (work.spend(2)) yield;
      if (!grants) {
        found.wide.add(scope);
        continue;
      }
      for (const grant of grants) {
        all.push(grant);
        const cached = this.#validClosure(grant, roles);
        if (cached) add(cached, found);
        else if (computed < MAX_NEW_CLOSURES && !tookLong())
          add(yield* this.#computeClosure(grant, roles, work), found);
        else remaining.push(grant);
        if (!cached) computed += 1;
        if (work.spend(cached?.lists.length)) yield;
      }
    }
    if (remaining.length > 0) add(yield* this.#walk(remaining, { roles }, work), found);
    const wide = dropCovered([...found.wide].sort(compareScopes));
    let isWhole = true;
    for (const scope of wide) {
      const isReady = this.#merges.get(scope)?.version === roles.version;
      if (isReady || !tookLong()) found.lists.add(yield* this.#mergeOf(scope, roles, work));
      else isWhole = false;
    }
    let size = 0;
    for (const list of found.lists) {
      size += sizeOfScopes(list);
      if (work.spend(list.length / COUNTS_PER_UNIT)) yield;
    }
    if (isWhole && size <= work.limit) return found.lists;
    // Closures and merges may overlap: only a walk that visits each grant once tells whether this is too large.
    return (yield* this.#walk(all, { roles, wideScopes: wide }, work)).lists;
  }

  /**
   * The merged expansion of a wide scope; the same array as before if its content did not change. If another
   * computation is updating it, this one advances that update in its own slices, so that nobody waits for another's
   * turn.
   */
  *#mergeOf(scope: string, roles: RolesSnapshot, work: WorkBudget): TimeSliced<Scopes> {
    for (let joins = 0; joins < MAX_JOINS; joins += 1) {
      const current = this.#merges.get(scope);
      if (!current?.updating) return yield* this.#bringUpToDate(scope, roles, work);
      while (current.updating) {
        try {
          current.updating.next();
        } catch (error) {
          // It was too large for the budget of the computation that started it.
          if (!(error instanceof ExpansionTooLarge)) throw error;
        }
        yield;
      }
      if (current.version === roles.version) return current.list;
    }
    return yield* this.#mergeAlone(scope, roles, work);
  }

  *#bringUpToDate(scope: string, roles: RolesSnapshot, work: WorkBudget): TimeSliced<Scopes> {
    const wide: WideMerge = this.#merges.get(scope) ?? {
      merge: new IncrementalMerge(),
      list: [],
      version: -1,
    };
    if (wide.version === roles.version) return wide.list;
    this.#merges.delete(scope);
    this.#merges.set(scope, wide);
    const updating = this.#update(scope, wide, { roles, work });
    wide.updating = updating;
    try {
      while (!updating.next().done) yield;
    } finally {
      updating.return(undefined);
    }
    this.#dropMerges();
    return wide.version === roles.version ? wide.list : yield* this.#mergeAlone(scope, roles, work);
  }

  *#update(
    scope: string,
    wide: WideMerge,
    { roles, work }: { roles: RolesSnapshot; work: WorkBudget },
  ): TimeSliced<void> {
    let isDone = false;
    try {
      const lists = yield* this.#walkWide(scope, roles, work);
      wide.list = yield* wide.merge.of(lists, work);
      wide.version = roles.version;
      isDone = true;
    } finally {
      wide.updating = undefined;
      // An interrupted merge is inconsistent.
      if (!isDone && this.#merges.get(scope) === wide) this.#merges.delete(scope);
    }
  }

  *#mergeAlone(scope: string, roles: RolesSnapshot, work: WorkBudget): TimeSliced<Scopes> {
    return yield* mergeInSlices([...(yield* this.#walkWide(scope, roles, work))], work);
  }

  *#walkWide(scope: string, roles: RolesSnapshot, work: WorkBudget): TimeSliced<Set<Scopes>> {
    const { lists } = yield* this.#walk([], { roles, wideScopes: [scope] }, work);
    return lists;
  }

  #dropMerges(): void {
    let merged = 0;
    for (const { list } of this.#merges.values()) merged += list.length;
    for (const [scope, { list }] of this.#merges) {
      if (this.#merges.size <= MAX_MERGES && merged <= this.#maxMergedScopes) return;
      this.#merges.delete(scope);
      merged -= list.length;
    }
  }

  #validClosure(grant: Grant, roles: RolesSnapshot): Closure | undefined {
    const closure = this.#closures.get(grant);
    if (!closure) return undefined;
    const changedAt = this.#changedAt.get(partsOf(grant).roleId) ?? this.#allChangedAt;
    return changedAt <= Math.min(closure.version, roles.version) ? closure : undefined;
  }

  *#computeClosure(grant: Grant, roles: RolesSnapshot, work: WorkBudget): TimeSliced<Closure> {
    const size = { bytes: 2 * grant.length };
    const { lists, wide } = yield* this.#walk([grant], { roles, size }, work);
    const closure = {
      lists: [...lists],
      wide: [...wide],
      version: roles.version,
      bytes: CLOSURE_BYTES + REFERENCE_BYTES * (lists.size + wide.size) + size.bytes,
    };
    if (roles.isCurrent) this.#closures.set(grant, closure);
    return closure;
  }

  /**
   * The own lists of grants and of all that they grant transitively. If `wideScopes` are given, it starts from these,
   * too, and follows all wide scopes that it finds. Grants whose parameter is covered by another that ends in a star
   * are skipped: what `q*` makes of a scope covers what `qa` makes of it.
   */
  *#walk(
    grants: readonly Grant[],
    {
      roles,
      wideScopes,
      size,
    }: { roles: RolesSnapshot; wideScopes?: readonly string[]; size?: { bytes: number } },
    work: WorkBudget,
  ): TimeSliced<Found> {
    const found: Found = { lists: new Set(), wide: new Set() };
    const count = work.scopeCounter();
    const visited = new Set<Grant>();
    const starred = new StarredParameters();
    const visit = (grant: Grant): void => {
      if (visited.has(grant)) return;
      visited.add(grant);
      starred.add(grant);
    };
    function* followWide(scope: string): TimeSliced<void> {
      if (found.wide.has(scope)) return;
      found.wide.add(scope);
      if (wideScopes === undefined) return;
      const pattern = grantPatternOf(scope)!;
      for (const id of roles.idsMatching(pattern)) {
        visit(grantOf(id, pattern, roles));
        if (work.spend()) yield;
      }
    }
    grants.forEach(visit);
    for (const scope of wideScopes ?? []) yield* followWide(scope);
    for (const grant of visited) {
      if (starred.isCovered(grant)) continue;
      const node = this.#cachedNode(grant, roles) ?? (yield* this.#computeNode(grant, { roles, size }, work));
      if (node.own.length > 0 && !found.lists.has(node.own)) {
        found.lists.add(node.own);
        count(node.own);
      }
      node.grants.forEach(visit);
      if (work.spend(1 + node.grants.length)) yield;
      for (const scope of node.wide) yield* followWide(scope);
    }
    return found;
  }

  /** Nodes are cached for roles that are not parameterised. */
  #cachedNode(grant: Grant, roles: RolesSnapshot): Node | undefined {
    if (!roles.isCurrent || grant.includes('\n')) return undefined;
    return this.#nodes.get(roles.get(grant)!);
  }

  *#computeNode(
    grant: Grant,
    { roles, size }: { roles: RolesSnapshot; size?: { bytes: number } },
    work: WorkBudget,
  ): TimeSliced<Node> {
    const { roleId, parameter } = partsOf(grant);
    const role = roles.get(roleId)!;
    const own =
      parameter === undefined
        ? (this.#own.get(role) ?? (yield* this.#ownOf(role, work)))
        : yield* normalizeInSlices(substituted(role, parameter), work);
    if (size && parameter !== undefined) for (const { length } of own) size.bytes += SCOPE_BYTES + length;
    const found = new Set<Grant>();
    const wide: string[] = [];
    for (const scope of own) {
      if (!mayGrant(scope)) continue;
      const grants = narrowGrants(scope, roles);
      if (grants) grants.forEach((each) => found.add(each));
      else wide.push(scope);
      if (work.spend(2)) yield;
    }
    const node = { own, grants: [...found], wide };
    if (parameter === undefined && roles.isCurrent) this.#nodes.set(role, node);
    return node;
  }

  *#ownOf(role: RoleDefinition, work: WorkBudget): TimeSliced<Scopes> {
    const own = yield* normalizeInSlices(role.scopes, work);
    this.#own.set(role, own);
    return own;
  }
}

type Found = { lists: Set<Scopes>; wide: Set<string> };

function add({ lists, wide }: { lists: Iterable<Scopes>; wide: Iterable<string> }, to: Found): void {
  for (const list of lists) to.lists.add(list);
  for (const scope of wide) to.wide.add(scope);
}

/** How many parameters ending in a star are compared for each role. */
const MAX_STARS = 16;

/** The parameters ending in a star with which roles have been granted. */
class StarredParameters {
  #starts = new Map<string, readonly string[]>();

  add(grant: Grant): void {
    if (!grant.endsWith('*')) return;
    const { roleId, parameter } = partsOf(grant);
    if (parameter === undefined) return;
    const starts = this.#starts.get(roleId) ?? [];
    if (starts.length < MAX_STARS) this.#starts.set(roleId, [...starts, parameter.slice(0, -1)]);
  }

  /** Whether a role was granted with another parameter that covers this grant's. May miss one if there are many. */
  isCovered(grant: Grant): boolean {
    if (this.#starts.size === 0) return false;
    const { roleId, parameter } = partsOf(grant);
    if (parameter === undefined) return false;
    const starts = this.#starts.get(roleId) ?? [];
    return starts.some((start) => parameter !== `${start}*` && parameter.startsWith(start));
  }
}

/** What a narrow scope grants; undefined for a wide scope. */
function narrowGrants(scope: string, roles: RolesSnapshot): Grant[] | undefined {
  const pattern = grantPatternOf(scope);
  if (!pattern) return [];
  const ids = roles.idsMatching(pattern);
  return ids.length > MAX_NARROW ? undefined : ids.map((id) => grantOf(id, pattern, roles));
}

function grantOf(roleId: string, pattern: GrantPattern, roles: RolesSnapshot): Grant {
  return roles.takesParameter(roleId) ? `${roleId}\n${parameterFrom(pattern, roleId)}` : roleId;
}

function mayGrant(scope: string): boolean {
  return grantPatternOf(scope) !== undefined;
}

function substituted({ scopes }: RoleDefinition, parameter: string): string[] {
  return scopes.map((scope) => withParameter(scope, parameter));
}

function partsOf(grant: Grant): { roleId: string; parameter?: string } {
  const end = grant.indexOf('\n');
  return end < 0 ? { roleId: grant } : { roleId: grant.slice(0, end), parameter: grant.slice(end + 1) };
}
