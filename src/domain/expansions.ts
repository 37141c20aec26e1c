import { LRUCache } from 'lru-cache';
import { IncrementalMerge } from './incrementalMerge.ts';
import type { RolesSnapshot } from './rolesSnapshot.ts';
import { parameterFrom, type Reach, reachOf, type RoleDefinition, withParameter } from './roleReach.ts';
import { compareScopes, merging, normalizing, withoutCovered } from './scopes.ts';
import { ExpansionTooLarge, type Sliced, sizeOfScopes, type Work } from './work.ts';

type Scopes = readonly string[];

/** A role as a scope grants it, as a text: the role's id and, if the role takes a parameter, a line feed and the parameter. */
type Grant = string;

/** What a grant gives by itself: the role's own scopes in normal form, and where these lead. */
type Node = {
  own: Scopes;
  /** Grants by scopes that grant few roles. */
  grants: readonly Grant[];
  /** Scopes that grant many roles, which are looked for when they are wanted. */
  wide: readonly string[];
};

/**
 * All that a grant leads to, as the lists whose merge it is, and the wide scopes on the way, behind which it was not looked; good
 * until a role changes that the grant's role reaches.
 */
type Closure = { lists: readonly Scopes[]; wide: readonly string[]; version: number; bytes: number };

/** What a wide scope leads to, merged, as of a version; `making` is what brings it up to date, while that is under way. */
type WideMerge = { merge: IncrementalMerge; list: Scopes; version: number; making?: Sliced<void> };

/** A scope that grants more roles than these is wide: what it leads to is merged once for all who hold it. */
const FEW = 64;
/** Closures that one expansion makes to be kept; what is more is looked at once, together, as is what takes long. */
const MOST_MADE = 64;
/** About how many bytes of closures are kept. */
const MOST_KEPT = 32 * 1024 * 1024;
/** What one takes by itself, for each list or scope that it refers to, and for each scope that was made for it besides its text. */
const CLOSURE_BYTES = 250;
const REFERENCE_BYTES = 8;
const SCOPE_BYTES = 40;
/** Wide scopes whose merges are kept, and the scopes in all of these together: each takes about 100 bytes. */
const MOST_MERGES = 16;
const MOST_MERGED = 500_000;
/** So many scopes are counted in the time that it takes to look at one. */
const COUNTED_IN_ONE = 16;
/** How often one goes on with what others began, as of another version mostly, before it is merged for itself. */
const MOST_HELPED = 3;
/** Roles of which it is known when they changed. */
const MOST_CHANGED = 100_000;

/**
 * What scopes give through roles, as the lists whose merge it is: of each role that is reached, its own scopes in normal form.
 * A role without a parameter has the same list for everybody, as long as it does not change. It goes from grant to grant, each
 * once, so that its work is that of the roles reached, in whatever way they grant each other.
 */
export class Expansions {
  #nodes = new WeakMap<RoleDefinition, Node>();
  #own = new WeakMap<RoleDefinition, Scopes>();
  #closures = new LRUCache<string, Closure>({
    maxSize: MOST_KEPT,
    sizeCalculation: ({ bytes }, grant) => bytes + 2 * grant.length,
  });
  /** The version at which a role, or something it reaches, last changed. */
  #changedAt = new Map<string, number>();
  #allChangedAt = 0;
  #merges = new Map<string, WideMerge>();

  /** Notes that these roles, or something they reach, changed with a version. */
  forget(roles: Iterable<{ roleId: string; role: RoleDefinition | undefined }>, version: number): void {
    for (const { roleId, role } of roles) {
      this.#changedAt.set(roleId, version);
      if (role) this.#nodes.delete(role);
    }
    // Roles that are gone would stay here for ever.
    if (this.#changedAt.size > MOST_CHANGED) this.forgetAll(version);
  }

  /** Notes that any role may have changed with a version. */
  forgetAll(version: number): void {
    this.#allChangedAt = version;
    this.#changedAt.clear();
    this.#closures.clear();
    this.#nodes = new WeakMap();
  }

  /** The lists of all that scopes in normal form grant, in slices. Throws ExpansionTooLarge. */
  *listsOf(scopes: Scopes, roles: RolesSnapshot, work: Work): Sliced<Set<Scopes>> {
    const found: Found = { lists: new Set(), wide: new Set() };
    const all: Grant[] = [];
    const others: Grant[] = [];
    const begun = work.units;
    const tookLong = (): boolean => work.units - begun > work.limit;
    let made = 0;
    for (const scope of scopes) {
      const grants = fewGrants(scope, roles);
      if (work.spend(2)) yield;
      if (!grants) {
        found.wide.add(scope);
        continue;
      }
      for (const grant of grants) {
        all.push(grant);
        const known = this.#known(grant, roles);
        if (known) add(known, found);
        else if (made < MOST_MADE && !tookLong()) add(yield* this.#makeClosure(grant, roles, work), found);
        else others.push(grant);
        if (!known) made += 1;
        if (work.spend(known?.lists.length)) yield;
      }
    }
    if (others.length > 0) add(yield* this.#walk(others, { roles }, work), found);
    const wide = withoutCovered([...found.wide].sort(compareScopes));
    let isWhole = true;
    for (const scope of wide) {
      const isReady = this.#merges.get(scope)?.version === roles.version;
      if (isReady || !tookLong()) found.lists.add(yield* this.#mergeOf(scope, roles, work));
      else isWhole = false;
    }
    let size = 0;
    for (const list of found.lists) {
      size += sizeOfScopes(list);
      if (work.spend(list.length / COUNTED_IN_ONE)) yield;
    }
    if (isWhole && size <= work.limit) return found.lists;
    // Several closures and merges may hold the same: it is too much only where it is so looked at once, together.
    return (yield* this.#walk(all, { roles, behind: wide }, work)).lists;
  }

  /**
   * What a wide scope leads to, merged; the same array as before where nothing in it changed. One that somebody else is making
   * goes on in the turns of all who want it: nobody waits for another's.
   */
  *#mergeOf(scope: string, roles: RolesSnapshot, work: Work): Sliced<Scopes> {
    for (let helped = 0; helped < MOST_HELPED; helped += 1) {
      const kept = this.#merges.get(scope);
      if (!kept?.making) return yield* this.#bringUpToDate(scope, roles, work);
      while (kept.making) {
        try {
          kept.making.next();
        } catch (error) {
          // It was too much for whoever began it.
          if (!(error instanceof ExpansionTooLarge)) throw error;
        }
        yield;
      }
      if (kept.version === roles.version) return kept.list;
    }
    return yield* this.#mergeAlone(scope, roles, work);
  }

  *#bringUpToDate(scope: string, roles: RolesSnapshot, work: Work): Sliced<Scopes> {
    const wide: WideMerge = this.#merges.get(scope) ?? {
      merge: new IncrementalMerge(),
      list: [],
      version: -1,
    };
    if (wide.version === roles.version) return wide.list;
    this.#merges.delete(scope);
    this.#merges.set(scope, wide);
    const making = this.#making(scope, wide, { roles, work });
    wide.making = making;
    try {
      while (!making.next().done) yield;
    } finally {
      making.return(undefined);
    }
    this.#dropMerges();
    return wide.version === roles.version ? wide.list : yield* this.#mergeAlone(scope, roles, work);
  }

  *#making(
    scope: string,
    wide: WideMerge,
    { roles, work }: { roles: RolesSnapshot; work: Work },
  ): Sliced<void> {
    let isDone = false;
    try {
      const lists = yield* this.#walkWide(scope, roles, work);
      wide.list = yield* wide.merge.of(lists, work);
      wide.version = roles.version;
      isDone = true;
    } finally {
      wide.making = undefined;
      // One that was cut off is worth nothing.
      if (!isDone && this.#merges.get(scope) === wide) this.#merges.delete(scope);
    }
  }

  *#mergeAlone(scope: string, roles: RolesSnapshot, work: Work): Sliced<Scopes> {
    return yield* merging([...(yield* this.#walkWide(scope, roles, work))], work);
  }

  *#walkWide(scope: string, roles: RolesSnapshot, work: Work): Sliced<Set<Scopes>> {
    const { lists } = yield* this.#walk([], { roles, behind: [scope] }, work);
    return lists;
  }

  #dropMerges(): void {
    let merged = 0;
    for (const { list } of this.#merges.values()) merged += list.length;
    for (const [scope, { list }] of this.#merges) {
      if (this.#merges.size <= MOST_MERGES && merged <= MOST_MERGED) return;
      this.#merges.delete(scope);
      merged -= list.length;
    }
  }

  #known(grant: Grant, roles: RolesSnapshot): Closure | undefined {
    const closure = this.#closures.get(grant);
    if (!closure) return undefined;
    const changedAt = this.#changedAt.get(partsOf(grant).roleId) ?? this.#allChangedAt;
    return changedAt <= Math.min(closure.version, roles.version) ? closure : undefined;
  }

  *#makeClosure(grant: Grant, roles: RolesSnapshot, work: Work): Sliced<Closure> {
    const made = { bytes: 2 * grant.length };
    const { lists, wide } = yield* this.#walk([grant], { roles, made }, work);
    const closure = {
      lists: [...lists],
      wide: [...wide],
      version: roles.version,
      bytes: CLOSURE_BYTES + REFERENCE_BYTES * (lists.size + wide.size) + made.bytes,
    };
    if (roles.isCurrent) this.#closures.set(grant, closure);
    return closure;
  }

  /**
   * The own lists of grants and of all that they lead to; where wide scopes are given, of all that is behind these, and behind
   * every wide scope on the way. What a parameter that ends in a star covers gives nothing new: `q*` makes of a scope what covers all
   * that `qa` makes of it.
   */
  *#walk(
    grants: readonly Grant[],
    { roles, behind, made }: { roles: RolesSnapshot; behind?: readonly string[]; made?: { bytes: number } },
    work: Work,
  ): Sliced<Found> {
    const found: Found = { lists: new Set(), wide: new Set() };
    const count = work.counter();
    const reached = new Set<Grant>();
    const starred = new StarredParameters();
    const reach = (grant: Grant): void => {
      if (reached.has(grant)) return;
      reached.add(grant);
      starred.note(grant);
    };
    function* passWide(scope: string): Sliced<void> {
      if (found.wide.has(scope)) return;
      found.wide.add(scope);
      if (behind === undefined) return;
      const by = reachOf(scope)!;
      for (const id of roles.granted(by)) {
        reach(grantOf(id, by, roles));
        if (work.spend()) yield;
      }
    }
    grants.forEach(reach);
    for (const scope of behind ?? []) yield* passWide(scope);
    for (const grant of reached) {
      if (starred.isCovered(grant)) continue;
      const node = this.#readyNode(grant, roles) ?? (yield* this.#makeNode(grant, { roles, made }, work));
      if (node.own.length > 0 && !found.lists.has(node.own)) {
        found.lists.add(node.own);
        count(node.own);
      }
      node.grants.forEach(reach);
      if (work.spend(1 + node.grants.length)) yield;
      for (const scope of node.wide) yield* passWide(scope);
    }
    return found;
  }

  /** Of a role without a parameter, what it gives is made once. */
  #readyNode(grant: Grant, roles: RolesSnapshot): Node | undefined {
    if (!roles.isCurrent || grant.includes('\n')) return undefined;
    return this.#nodes.get(roles.get(grant)!);
  }

  *#makeNode(
    grant: Grant,
    { roles, made }: { roles: RolesSnapshot; made?: { bytes: number } },
    work: Work,
  ): Sliced<Node> {
    const { roleId, parameter } = partsOf(grant);
    const role = roles.get(roleId)!;
    const own =
      parameter === undefined
        ? (this.#own.get(role) ?? (yield* this.#ownOf(role, work)))
        : yield* normalizing(withParameterIn(role, parameter), work);
    if (made && parameter !== undefined) for (const { length } of own) made.bytes += SCOPE_BYTES + length;
    const found = new Set<Grant>();
    const wide: string[] = [];
    for (const scope of own) {
      if (!mayGrant(scope)) continue;
      const grants = fewGrants(scope, roles);
      if (grants) grants.forEach((each) => found.add(each));
      else wide.push(scope);
      if (work.spend(2)) yield;
    }
    const node = { own, grants: [...found], wide };
    if (parameter === undefined && roles.isCurrent) this.#nodes.set(role, node);
    return node;
  }

  *#ownOf(role: RoleDefinition, work: Work): Sliced<Scopes> {
    const own = yield* normalizing(role.scopes, work);
    this.#own.set(role, own);
    return own;
  }
}

type Found = { lists: Set<Scopes>; wide: Set<string> };

function add({ lists, wide }: { lists: Iterable<Scopes>; wide: Iterable<string> }, to: Found): void {
  for (const list of lists) to.lists.add(list);
  for (const scope of wide) to.wide.add(scope);
}

/** The parameters of one role that are looked at for whether they cover another. */
const MOST_STARTS = 16;

/** The parameters ending in a star with which roles were granted. */
class StarredParameters {
  #starts = new Map<string, readonly string[]>();

  note(grant: Grant): void {
    if (!grant.endsWith('*')) return;
    const { roleId, parameter } = partsOf(grant);
    if (parameter === undefined) return;
    const starts = this.#starts.get(roleId) ?? [];
    if (starts.length < MOST_STARTS) this.#starts.set(roleId, [...starts, parameter.slice(0, -1)]);
  }

  /** Whether a role was granted with another parameter that covers this grant's. Of many, not all are looked at. */
  isCovered(grant: Grant): boolean {
    if (this.#starts.size === 0) return false;
    const { roleId, parameter } = partsOf(grant);
    if (parameter === undefined) return false;
    const starts = this.#starts.get(roleId) ?? [];
    return starts.some((start) => parameter !== `${start}*` && parameter.startsWith(start));
  }
}

/** What a scope grants; undefined where it is wide. */
function fewGrants(scope: string, roles: RolesSnapshot): Grant[] | undefined {
  const reach = reachOf(scope);
  if (!reach) return [];
  const ids = roles.granted(reach);
  return ids.length > FEW ? undefined : ids.map((id) => grantOf(id, reach, roles));
}

function grantOf(roleId: string, reach: Reach, roles: RolesSnapshot): Grant {
  return roles.takesParameter(roleId) ? `${roleId}\n${parameterFrom(reach, roleId)}` : roleId;
}

function mayGrant(scope: string): boolean {
  return reachOf(scope) !== undefined;
}

function withParameterIn({ scopes }: RoleDefinition, parameter: string): string[] {
  return scopes.map((scope) => withParameter(scope, parameter));
}

function partsOf(grant: Grant): { roleId: string; parameter?: string } {
  const end = grant.indexOf('\n');
  return end < 0 ? { roleId: grant } : { roleId: grant.slice(0, end), parameter: grant.slice(end + 1) };
}
