import { ASSUME } from './roleDefinition.ts';
import type { ScopeHolders } from './scopeHolders.ts';
import { SortedPrefixes } from './sortedPrefixes.ts';
import { sortedRange } from './sortedRange.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { WorkBudget } from './workBudget.ts';

type Range = [from: number, to: number];

/**
 * Which roles hold scopes that grant which roles, of roles that do not change: found once for all questions. Roles, in the
 * order of their granting scopes, and held scopes, in the order of their texts, are named by their index. What a role with
 * a star is granted by is a range of them, and stars that cover one another are in chains, from the longest to the
 * shortest, so that all this takes little more memory than the scopes.
 */
export class RoleGrants {
  /** The ids of the roles, and the scopes that grant them. */
  readonly ids: string[] = [];
  readonly scopes: readonly string[];
  /** The scopes that some role holds and that may grant roles. */
  readonly held: readonly string[];
  /** The roles that hold each. */
  readonly holders: readonly (readonly number[])[];
  /** Of each role, the longest other role's id with a star that covers it; -1 if there is none. */
  readonly coveringRole: Int32Array;
  /** Of each role, the longest held scope with a star that covers its granting scope; -1 if there is none. */
  readonly coveringHeld: Int32Array;
  /** Of each held scope with a star, the next shorter one that covers it; -1 if there is none. */
  readonly nextHeld: Int32Array;
  /** Of each role, whether some parameter may make a scope with `<..>` grant it: 1 or 0. */
  readonly mayTakeParameter: Uint8Array;
  readonly #indexes = new Map<string, number>();
  /** Of each role without a star, the held scope that equals its granting scope; -1 if there is none. */
  readonly #equalHeld: Int32Array;
  readonly #starred: Starred;
  readonly #starredHeld: Starred;

  private constructor(
    { scopes, held, holders }: Pick<RoleGrants, 'scopes' | 'held' | 'holders'>,
    { starred, starredHeld }: { starred: Starred; starredHeld: Starred },
  ) {
    this.scopes = scopes;
    this.held = held;
    this.holders = holders;
    this.#starred = starred;
    this.#starredHeld = starredHeld;
    this.coveringRole = new Int32Array(scopes.length);
    this.coveringHeld = new Int32Array(scopes.length);
    this.#equalHeld = new Int32Array(scopes.length);
    this.nextHeld = new Int32Array(held.length);
    this.mayTakeParameter = new Uint8Array(scopes.length);
  }

  /**
   * Finds them, in time slices. Roles that change meanwhile may be left out. `starts` are the texts before `<..>` in scopes
   * that may grant roles.
   */
  static *of(
    { granting, literal }: { granting: ScopeHolders; literal: ScopeHolders },
    starts: readonly string[],
    work: WorkBudget,
  ): TimeSliced<RoleGrants> {
    const scopes = granting.startingWith(ASSUME);
    const held = [...literal.starsBefore(ASSUME), ...literal.startingWith(ASSUME)];
    const holders: number[][] = [];
    const all = new RoleGrants(
      { scopes, held, holders },
      { starred: yield* starredAmong(scopes, work), starredHeld: yield* starredAmong(held, work) },
    );
    for (const [i, scope] of scopes.entries()) {
      if (work.spendUnlimited()) yield;
      const [roleId = scope.slice(ASSUME.length)] = granting.holdersOf(scope);
      all.ids.push(roleId);
      all.#indexes.set(roleId, i);
    }
    for (const scope of held) {
      const numbers: number[] = [];
      for (const roleId of literal.holdersOf(scope)) {
        if (work.spendUnlimited()) yield;
        const number = all.#indexes.get(roleId);
        if (number !== undefined) numbers.push(number);
      }
      holders.push(numbers);
    }
    yield* all.#link(yield* SortedPrefixes.of(starts, work), work);
    return all;
  }

  *#link(starts: SortedPrefixes, work: WorkBudget): TimeSliced<void> {
    const { scopes, held } = this;
    let at = 0;
    for (const [i, scope] of scopes.entries()) {
      for (; at < held.length && held[at]! < scope; at += 1) if (work.spendUnlimited()) yield;
      const isStarred = scope.endsWith('*');
      if (work.spendUnlimited(1 + Math.floor((this.depth + starts.depth) / PREFIXES_PER_UNIT))) yield;
      this.#equalHeld[i] = !isStarred && held[at] === scope ? at : -1;
      const text = isStarred ? scope.slice(0, -1) : scope;
      this.coveringHeld[i] = this.#starredHeld.longestOf(text);
      this.coveringRole[i] = isStarred ? this.#starred.nextAfter(i) : this.#starred.longestOf(text);
      const isLikely = isStarred ? starts.texts.length > 0 : starts.longestOf(text) >= 0;
      this.mayTakeParameter[i] = isLikely ? 1 : 0;
    }
    for (const [i, scope] of held.entries()) {
      if (work.spendUnlimited()) yield;
      this.nextHeld[i] = scope.endsWith('*') ? this.#starredHeld.nextAfter(i) : -1;
    }
  }

  /** How many stars cover one another, at most. */
  get depth(): number {
    return Math.max(this.#starred.depth, this.#starredHeld.depth);
  }

  /** The index of a role; undefined if there is none. */
  indexOf(roleId: string): number | undefined {
    return this.#indexes.get(roleId);
  }

  /** The longest role's id with a star that covers a scope; -1 if there is none. */
  roleCovering(scope: string): number {
    return this.#starred.longestOf(scope);
  }

  /** The roles whose granting scope, as a held one, begins as the id of a role does: itself only, if that has no star. */
  rolesWithin(index: number): Range {
    const scope = this.scopes[index]!;
    return scope.endsWith('*') ? sortedRange(this.scopes, scope.slice(0, -1)) : [index, index + 1];
  }

  /** The held scopes that begin as the id of a role does, or equal its granting scope, if that has no star. */
  heldWithin(index: number): Range {
    const scope = this.scopes[index]!;
    if (scope.endsWith('*')) return sortedRange(this.held, scope.slice(0, -1));
    const equal = this.#equalHeld[index]!;
    return equal < 0 ? [0, 0] : [equal, equal + 1];
  }
}

/** Stars that are looked at for one unit of work. */
const PREFIXES_PER_UNIT = 10;

/** Those among sorted scopes that end in a star. */
class Starred {
  readonly #prefixes: SortedPrefixes;
  /** The index among all scopes of each. */
  readonly #indexes: Int32Array;
  /** Of each scope with a star, the index of the longest other one that covers it. */
  readonly #next: ReadonlyMap<number, number>;

  constructor(prefixes: SortedPrefixes, indexes: Int32Array, next: ReadonlyMap<number, number>) {
    this.#prefixes = prefixes;
    this.#indexes = indexes;
    this.#next = next;
  }

  get depth(): number {
    return this.#prefixes.depth;
  }

  longestOf(text: string): number {
    const at = this.#prefixes.longestOf(text);
    return at < 0 ? -1 : this.#indexes[at]!;
  }

  nextAfter(index: number): number {
    return this.#next.get(index)!;
  }
}

function* starredAmong(scopes: readonly string[], work: WorkBudget): TimeSliced<Starred> {
  const numbers = new Map<string, number>();
  for (const [i, scope] of scopes.entries()) {
    if (work.spendUnlimited()) yield;
    if (scope.endsWith('*')) numbers.set(scope.slice(0, -1), i);
  }
  const prefixes = yield* SortedPrefixes.of([...numbers.keys()], work);
  const { texts, parents } = prefixes;
  const indexes = new Int32Array(texts.length);
  const next = new Map<number, number>();
  for (const [at, text] of texts.entries()) {
    if (work.spendUnlimited()) yield;
    indexes[at] = numbers.get(text)!;
    const parent = parents[at]!;
    next.set(indexes[at]!, parent < 0 ? -1 : indexes[parent]!);
  }
  return new Starred(prefixes, indexes, next);
}
