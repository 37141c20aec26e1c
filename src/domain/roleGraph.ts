import { Expansions } from './expansions.ts';
import { RecentlyUsed } from './recentlyUsed.ts';
import { cycleThrough, endlessThrough } from './roleCycles.ts';
import { RoleIndex } from './roleIndex.ts';
import { grantingScope, type RoleDefinition } from './roleReach.ts';
import { spreadThrough } from './roleSpread.ts';
import { mergeNormal, normalize } from './scopes.ts';

type Scopes = readonly string[];

/** An answer with the lists that it was merged from, and the version of the roles at which these were looked at. */
type Answer = { scopes: Scopes; from: readonly Scopes[]; version: number };

/** About how many characters of questions and scopes of answers are kept. */
const MOST_RECENT = 1_000_000;

/**
 * The role-expansion index: all roles, and what each expands to, ready made.
 *
 * A scope set expands to the least set that holds it and, with every scope in it that grants a role, the scopes of that
 * role. As a role is granted by one scope alone, that is the union of what each scope gives: expanding is merging lists
 * that are ready. Example: with the roles a -> [assume:b, x] and b -> [y], the list of b is [y], that of a is
 * [assume:b, x, y], and expanding [assume:a, z] merges [assume:a, z] with the list of a.
 *
 * A change drops the lists of the role and of those that reach it, and no others; a list is made again when it is wanted.
 */
export class RoleGraph<R extends RoleDefinition> {
  #index = new RoleIndex<R>();
  #expansions = new Expansions(this.#index);
  #recent = new RecentlyUsed<Answer>(MOST_RECENT, (question, { scopes }) => question.length + scopes.length);
  #version = 0;

  get size(): number {
    return this.#index.size;
  }

  /** Grows with every change. */
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
    this.#expansions = new Expansions(this.#index);
    this.#recent.clear();
    this.#version += 1;
    for (const role of roles) this.#index.set(role);
  }

  /** A graph of its own with the same roles. */
  clone(): RoleGraph<R> {
    const graph = new RoleGraph<R>();
    graph.load(this.#index.values());
    return graph;
  }

  set(role: R): void {
    this.#index.set(role);
    this.#forget(role.roleId);
  }

  delete(roleId: string): void {
    if (!this.#index.get(roleId)) return;
    this.#index.delete(roleId);
    this.#forget(roleId);
  }

  /** What scopes expand to, in normal form: the same array as before as long as nothing in it changed. */
  expand(scopes: Scopes): Scopes {
    const question = scopes.join('\n');
    const known = this.#recent.get(question);
    if (known?.version === this.#version) return known.scopes;
    // Covers all that any role could give.
    const from = scopes.includes('*') ? [] : scopes.flatMap((scope) => this.#expansions.listsOf(scope));
    if (known && isSame(known.from, from)) {
      known.version = this.#version;
      return known.scopes;
    }
    const answer = mergeNormal([normalize(scopes), ...new Set(from)]);
    this.#recent.set(question, { scopes: answer, from, version: this.#version });
    return answer;
  }

  /** What whoever has the role has: the scope that grants it, and all that it gives. */
  expandRole(roleId: string): Scopes {
    return this.expand([grantingScope(roleId)]);
  }

  /** The ids of the roles that a role's scopes may grant. */
  dependenciesOf(role: RoleDefinition): Set<string> {
    return this.#index.dependenciesOf(role);
  }

  /** The ids along a dependency cycle that this role, put in place, would be on; the first stands again at the end. */
  cycleThrough(role: RoleDefinition): string[] | undefined {
    return cycleThrough(role, this.#index);
  }

  /** The same, of cycles only along which a parameter would grow for ever. */
  endlessThrough(role: RoleDefinition): string[] | undefined {
    return endlessThrough(role, this.#index);
  }

  /** The id of a role that, with this role put in place, would grant others with too many parameters to expand it. */
  spreadThrough(role: RoleDefinition): string | undefined {
    return spreadThrough(role, this.#index);
  }

  /** Drops what was made from the role, and from all that reach it, as far back as that goes. */
  #forget(roleId: string): void {
    this.#version += 1;
    const affected = new Set([roleId]);
    for (const id of affected) {
      this.#expansions.forget(id);
      for (const holder of this.#index.holdersOf(id)) affected.add(holder);
    }
  }
}

function isSame(some: readonly Scopes[], others: readonly Scopes[]): boolean {
  return some.length === others.length && some.every((each, i) => each === others[i]);
}
