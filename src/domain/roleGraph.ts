import { LRUCache } from 'lru-cache';
import { Expansions } from './expansions.ts';
import { GrantedOnce } from './grantedOnce.ts';
import { cycleThrough, unboundedCycleThrough } from './roleCycles.ts';
import { RoleIndex } from './roleIndex.ts';
import { grantingScope, type RoleDefinition } from './roleReach.ts';
import { RolesSnapshot } from './rolesSnapshot.ts';
import { type Excess, ROLE_LIMITS, RoleTotals } from './roleTotals.ts';
import { merging, normalizing } from './scopes.ts';
import { atOnce, ExpansionTooLarge, type Sliced, Work } from './work.ts';

type Scopes = readonly string[];

/** An answer with the lists that it was merged from, and the version of the roles at which these were looked at. */
type Answer = { scopes: Scopes; from: readonly Scopes[]; version: number; bytes: number };

/** About how many bytes of questions and answers are kept. */
const MOST_RECENT = 64 * 1024 * 1024;
/** About how many bytes of questions that were refused are kept. */
const MOST_REFUSED = 16 * 1024 * 1024;
/** What an answer takes by itself, for each list that it refers to, and for each scope besides its characters. */
const ANSWER_BYTES = 300;
const REFERENCE_BYTES = 8;
const SCOPE_BYTES = 40;
/** How often an expansion that took several slices looks again for what changed meanwhile. */
const MOST_ROUNDS = 3;

/**
 * The role-expansion index: all roles, and what each expands to.
 *
 * A scope set expands to the least set that holds it and, with every scope in it that grants a role, the scopes of that
 * role. Expanding is merging the ready lists of all roles that are reached. Example: with the roles a -> [assume:b, x] and
 * b -> [y], expanding [assume:a, z] merges [assume:a, z], [assume:b, x] and [y].
 *
 * What is known of a role is forgotten when the role changes, or one that it reaches, and only then.
 */
export class RoleGraph<R extends RoleDefinition> {
  #index = new RoleIndex<R>();
  #limits: typeof ROLE_LIMITS;
  #totals: RoleTotals;
  #expansions = new Expansions();
  #recent = new LRUCache<string, Answer>({
    maxSize: MOST_RECENT,
    // One that takes the room of many makes them all be evicted at once.
    maxEntrySize: MOST_RECENT / 2,
    sizeCalculation: ({ bytes }) => bytes,
  });
  /** Questions that were too much to answer at a version: to find that out takes longest of all. */
  #refused = new LRUCache<string, { version: number; limit: number }>({
    maxSize: MOST_REFUSED,
    sizeCalculation: (_, question) => ANSWER_BYTES + 2 * question.length,
  });
  /** The roles as those expansions see them that are under way. */
  #views = new Set<RolesSnapshot>();
  #version = 0;

  constructor(limits = ROLE_LIMITS) {
    this.#limits = limits;
    this.#totals = new RoleTotals(this.#index, limits);
  }

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
    this.#expansions = new Expansions();
    this.#recent.clear();
    this.#refused.clear();
    this.#version += 1;
    for (const role of roles) this.#index.set(role);
    this.#totals = new RoleTotals(this.#index, this.#limits);
    this.#totals.count();
  }

  /** A graph of its own with the same roles. */
  clone(): RoleGraph<R> {
    const graph = new RoleGraph<R>(this.#limits);
    graph.load(this.#index.values());
    return graph;
  }

  set(role: R): void {
    this.#note(role.roleId);
    this.#totals.change(role.roleId, role);
    this.#index.set(role);
    this.#forget(role.roleId);
  }

  delete(roleId: string): void {
    if (!this.#index.get(roleId)) return;
    this.#note(roleId);
    this.#totals.change(roleId, undefined);
    this.#index.delete(roleId);
    this.#forget(roleId);
  }

  /** What scopes expand to, in normal form, at once. Throws ExpansionTooLarge. */
  expand(scopes: Scopes): Scopes {
    return atOnce(this.expanding(scopes, new Work()));
  }

  /**
   * What scopes expand to, in normal form, in slices: the same array as before as long as nothing in it changed. It is what the
   * roles gave at one moment since it began; what changed while it was made is looked for again, a few times at most.
   * It has all of the work's limit to itself. Throws ExpansionTooLarge.
   */
  *expanding(scopes: Scopes, work: Work): Sliced<Scopes> {
    const question = scopes.join('\n');
    const known = this.#recent.get(question);
    if (known?.version === this.#version) return known.scopes;
    const refusal = this.#refused.get(question);
    if (refusal?.version === this.#version && refusal.limit === work.limit)
      throw new ExpansionTooLarge(work.limit);
    const begun = this.#version;
    work.renew();
    try {
      return yield* this.#answering(question, scopes, work);
    } catch (error) {
      if (error instanceof ExpansionTooLarge)
        this.#refused.set(question, { version: begun, limit: work.limit });
      throw error;
    }
  }

  *#answering(question: string, scopes: Scopes, work: Work): Sliced<Scopes> {
    const known = this.#recent.get(question);
    const asked = yield* normalizing(scopes, work);
    // Covers all that any role could give.
    if (asked[0] === '*') return asked;
    let answer = known;
    for (let round = 1; round <= MOST_ROUNDS && answer?.version !== this.#version; round += 1)
      answer = yield* this.#answer({ question, asked, former: answer }, work);
    this.#recent.set(question, answer!);
    return answer!.scopes;
  }

  /** What was the former answer is the same array again where it was merged from the same lists. */
  *#answer(
    { question, asked, former }: { question: string; asked: Scopes; former: Answer | undefined },
    work: Work,
  ): Sliced<Answer> {
    const roles = new RolesSnapshot(this.#index, this.#version);
    this.#views.add(roles);
    let lists;
    try {
      lists = yield* this.#expansions.listsOf(asked, roles, work);
    } finally {
      this.#views.delete(roles);
    }
    const { version } = roles;
    if (former && isSame(former.from, lists)) return { ...former, version };
    const scopes = yield* merging([asked, ...lists], work);
    const from = [...lists];
    // A scope may be a text of its own, where a parameter was put in, and stands once more in the JSON text of a reply.
    const characters = scopes.reduce((sum, { length }) => sum + length, question.length);
    const bytes = ANSWER_BYTES + 2 * characters + SCOPE_BYTES * scopes.length + REFERENCE_BYTES * from.length;
    return { scopes, from, version, bytes };
  }

  /** What whoever has the role has: the scope that grants it, and all that it gives. */
  expandRole(roleId: string): Scopes {
    return this.expand([grantingScope(roleId)]);
  }

  /** The ids of the roles that a role's scopes may grant, in slices. */
  *dependenciesOf(role: RoleDefinition, work: Work): Sliced<Set<string>> {
    return new Set(yield* new GrantedOnce(this.#index).by(role, work));
  }

  /**
   * The ids along a dependency cycle that this role, put in place, would be on; the first stands again at the end. In slices, as all
   * that judges a change; throws ExpansionTooLarge where it takes too much work.
   */
  cycleThrough(role: RoleDefinition, work: Work): Sliced<string[] | undefined> {
    return cycleThrough(role, this.#index, work);
  }

  /** The same, of cycles only along which a parameter would grow for ever. */
  unboundedCycleThrough(role: RoleDefinition, work: Work): Sliced<string[] | undefined> {
    return unboundedCycleThrough(role, this.#index, work);
  }

  /** Why this role, put in place, would be more than can be expanded; undefined where it is not. Having less never is. */
  excessOf(role: RoleDefinition, work: Work): Sliced<Excess | undefined> {
    return this.#totals.excessOf(role, work);
  }

  /** How many scopes all roles have together, with those that parameters make for the scopes of other roles. */
  scopeTotal(work: Work): Sliced<number> {
    return this.#totals.total(work);
  }

  /** Tells what is under way that a role is about to change. */
  #note(roleId: string): void {
    for (const roles of this.#views) roles.note(roleId, this.#index.get(roleId));
  }

  /** Forgets what is known of a role, and of all that reach it, as far back as that goes; where these are very many, of all roles. */
  #forget(roleId: string): void {
    this.#version += 1;
    const affected = new Set([roleId]);
    let lookedAt = 0;
    for (const id of affected) {
      const holders = this.#index.holdersOf(id);
      for (const holder of holders) affected.add(holder);
      lookedAt += 1 + holders.length;
      if (lookedAt > MOST_LOOKED_AT) {
        this.#expansions.forgetAll(this.#version);
        return;
      }
    }
    const roles = [...affected].map((id) => ({ roleId: id, role: this.#index.get(id) }));
    this.#expansions.forget(roles, this.#version);
  }
}

/** Holders that are looked at for the roles that are to be forgotten one by one: some milliseconds' work. */
const MOST_LOOKED_AT = 20_000;

function isSame(some: readonly Scopes[], others: ReadonlySet<Scopes>): boolean {
  return some.length === others.size && some.every((each) => others.has(each));
}
