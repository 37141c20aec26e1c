import { ASSUME } from './roleDefinition.ts';
import type { RoleGrants } from './roleGrants.ts';
import { SortedPrefixes } from './sortedPrefixes.ts';
import { sortedRange } from './sortedRange.ts';
import { sortedTexts } from './sortedTexts.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { Way } from './waysTo.ts';
import type { WorkBudget } from './workBudget.ts';

/** A held scope, and the way that leads on from it. */
export type HeldWay = { held: string; way: Way };

/** Characters of a scope, and prefixes that one is compared with, for one unit of work. */
const CHARACTERS_PER_UNIT = 100;
const PREFIXES_PER_UNIT = 10;

/** What finds the least index of the ways of each kind that a scope is on. Indexes order the ways by their length. */
type Indexes = {
  equal: ReadonlyMap<string, number>;
  starting: LeastOfPrefixes;
  starred: LeastByPrefix;
  granted: LeastOfGranted | undefined;
};

/** Tells for one holder after another which of its scopes is on the shortest of many ways. */
export class WayMatcher {
  readonly #ways: readonly Way[];
  readonly #equal: ReadonlyMap<string, number>;
  readonly #starting: LeastOfPrefixes;
  readonly #starred: LeastByPrefix;
  readonly #granted: LeastOfGranted | undefined;

  private constructor(ways: readonly Way[], indexes: Indexes) {
    this.#ways = ways;
    this.#equal = indexes.equal;
    this.#starting = indexes.starting;
    this.#starred = indexes.starred;
    this.#granted = indexes.granted;
  }

  /** Prepares it for ways, shortest first, in time slices. `grants` has the roles that ways are of. */
  static *of(ways: readonly Way[], work: WorkBudget, grants?: RoleGrants): TimeSliced<WayMatcher> {
    const equal = new Map<string, number>();
    const starting = new Map<string, number>();
    const starred = new Map<string, number>();
    const byKind = { equal, starting, 'starred-prefix': starred };
    const ofRoles = new Float64Array(grants?.ids.length ?? 0).fill(Infinity);
    for (const [i, way] of ways.entries()) {
      if (work.spend()) yield;
      if (way.kind === 'role') ofRoles[way.index] = i;
      else byKind[way.kind].set(way.text, i);
    }
    return new WayMatcher(ways, {
      equal,
      starting: yield* LeastOfPrefixes.of(starting, work),
      starred: yield* LeastByPrefix.of(starred, work),
      granted: grants && (yield* LeastOfGranted.of(grants, ofRoles, work)),
    });
  }

  /** The shortest way that begins at one of these scopes, in time slices; undefined if none does. */
  *find(scopes: readonly string[], work: WorkBudget): TimeSliced<HeldWay | undefined> {
    const depth = this.#starting.depth + (this.#granted?.depth ?? 0);
    const units = 1 + Math.floor(depth / PREFIXES_PER_UNIT);
    let least = Infinity;
    let held = '';
    for (const scope of scopes) {
      if (work.spendUnlimited(units + Math.floor(scope.length / CHARACTERS_PER_UNIT))) yield;
      const i = this.#indexFor(scope);
      if (i < least) [least, held] = [i, scope];
    }
    return least === Infinity ? undefined : { held, way: this.#ways[least]! };
  }

  #indexFor(scope: string): number {
    const least = Math.min(
      this.#equal.get(scope) ?? Infinity,
      this.#starting.least(scope),
      this.#granted?.least(scope) ?? Infinity,
    );
    return scope.endsWith('*') ? Math.min(least, this.#starred.least(scope.slice(0, -1))) : least;
  }
}

/** The least number among all texts that are prefixes of a text. */
class LeastOfPrefixes {
  readonly #prefixes: SortedPrefixes;
  /** The least number of each text and its prefixes. */
  readonly #least: Float64Array;

  private constructor(prefixes: SortedPrefixes) {
    this.#prefixes = prefixes;
    this.#least = new Float64Array(prefixes.texts.length);
  }

  static *of(numbers: ReadonlyMap<string, number>, work: WorkBudget): TimeSliced<LeastOfPrefixes> {
    const prefixes = yield* SortedPrefixes.of([...numbers.keys()], work);
    const all = new LeastOfPrefixes(prefixes);
    for (const [i, text] of prefixes.texts.entries()) {
      if (work.spend()) yield;
      all.#least[i] = Math.min(numbers.get(text)!, all.#leastAt(prefixes.parents[i]!));
    }
    return all;
  }

  /** How many texts are prefixes one of another, at most. */
  get depth(): number {
    return this.#prefixes.depth;
  }

  /** Infinity if no text is a prefix. */
  least(text: string): number {
    return this.#leastAt(this.#prefixes.longestOf(text));
  }

  #leastAt(i: number): number {
    return i < 0 ? Infinity : this.#least[i]!;
  }
}

/** The least number among all texts with a prefix, by binary search and a tree of minima over the sorted texts. */
class LeastByPrefix {
  readonly #texts: readonly string[];
  readonly #tree: Float64Array;

  private constructor(texts: readonly string[], tree: Float64Array) {
    this.#texts = texts;
    this.#tree = tree;
  }

  static *of(numbers: ReadonlyMap<string, number>, work: WorkBudget): TimeSliced<LeastByPrefix> {
    const texts = yield* sortedTexts([...numbers.keys()], work);
    const numbersOfTexts = new Float64Array(texts.length);
    for (const [i, text] of texts.entries()) {
      if (work.spend()) yield;
      numbersOfTexts[i] = numbers.get(text)!;
    }
    return LeastByPrefix.ofSorted(texts, numbersOfTexts);
  }

  /** Of texts that are sorted already, each with its number. */
  static ofSorted(texts: readonly string[], numbers: Float64Array): LeastByPrefix {
    const { length } = texts;
    const tree = new Float64Array(2 * length);
    tree.set(numbers, length);
    for (let i = length - 1; i > 0; i -= 1) tree[i] = Math.min(tree[2 * i]!, tree[2 * i + 1]!);
    return new LeastByPrefix(texts, tree);
  }

  /** Infinity if no text has the prefix. */
  least(prefix: string): number {
    let least = Infinity;
    const range = sortedRange(this.#texts, prefix);
    let [from, to] = range.map((at) => at + this.#texts.length) as [number, number];
    for (; from < to; from >>= 1, to >>= 1) {
      if (from & 1) least = Math.min(least, this.#tree[from++]!);
      if (to & 1) least = Math.min(least, this.#tree[--to]!);
    }
    return least;
  }
}

/** The least number among all roles that a scope grants. */
class LeastOfGranted {
  readonly #grants: RoleGrants;
  readonly #numbers: Float64Array;
  /** The least number of each role whose id has a star, and of the others that cover it. */
  readonly #leastCovering: Float64Array;
  readonly #byPrefix: LeastByPrefix;

  private constructor(grants: RoleGrants, numbers: Float64Array, leastCovering: Float64Array) {
    this.#grants = grants;
    this.#numbers = numbers;
    this.#leastCovering = leastCovering;
    this.#byPrefix = LeastByPrefix.ofSorted(grants.scopes, numbers);
  }

  /** Of `numbers`, each role has one; Infinity counts for nothing. */
  static *of(grants: RoleGrants, numbers: Float64Array, work: WorkBudget): TimeSliced<LeastOfGranted> {
    const least = numbers.slice();
    for (let i = 0; i < least.length; i += 1) {
      if (work.spendUnlimited()) yield;
      const shorter = grants.coveringRole[i]!;
      // What covers it sorts before it.
      if (shorter >= 0) least[i] = Math.min(least[i]!, least[shorter]!);
    }
    return new LeastOfGranted(grants, numbers, least);
  }

  get depth(): number {
    return this.#grants.depth;
  }

  /** Infinity if the scope grants none that has a number. */
  least(scope: string): number {
    let least = Infinity;
    if (scope.startsWith(ASSUME)) {
      const same = this.#grants.indexOf(scope.slice(ASSUME.length));
      if (same !== undefined) least = this.#numbers[same]!;
      const covering = this.#grants.roleCovering(scope);
      if (covering >= 0) least = Math.min(least, this.#leastCovering[covering]!);
    }
    return scope.endsWith('*') ? Math.min(least, this.#byPrefix.least(scope.slice(0, -1))) : least;
  }
}
