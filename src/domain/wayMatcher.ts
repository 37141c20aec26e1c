import { sortedTexts } from './sortedTexts.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { Way } from './waysTo.ts';
import type { WorkBudget } from './workBudget.ts';

/** A held scope, and the way that leads on from it. */
export type HeldWay = { held: string; way: Way };

/** Characters of a scope, and prefixes that one is compared with, for one unit of work. */
const CHARACTERS_PER_UNIT = 100;
const PREFIXES_PER_UNIT = 10;

/** The index of each way by its text, by the kind of the way. Indexes order the ways by their length. */
type Indexes = Record<Way['kind'], Map<string, number>>;

/** Tells for one holder after another which of its scopes is on the shortest of many ways. */
export class WayMatcher {
  readonly #ways: readonly Way[];
  readonly #equal: ReadonlyMap<string, number>;
  readonly #starting: LeastOfPrefixes;
  readonly #starred: LeastByPrefix;

  private constructor(
    ways: readonly Way[],
    {
      equal,
      starting,
      starred,
    }: { equal: Indexes['equal']; starting: LeastOfPrefixes; starred: LeastByPrefix },
  ) {
    this.#ways = ways;
    this.#equal = equal;
    this.#starting = starting;
    this.#starred = starred;
  }

  /** Prepares it for ways, shortest first, in time slices. */
  static *of(ways: readonly Way[], work: WorkBudget): TimeSliced<WayMatcher> {
    const indexes: Indexes = { equal: new Map(), starting: new Map(), 'starred-prefix': new Map() };
    for (const [i, { kind, text }] of ways.entries()) {
      if (work.spend()) yield;
      indexes[kind].set(text, i);
    }
    const starting = yield* LeastOfPrefixes.of(indexes.starting, work);
    const starred = yield* LeastByPrefix.of(indexes['starred-prefix'], work);
    return new WayMatcher(ways, { equal: indexes.equal, starting, starred });
  }

  /** The shortest way that begins at one of these scopes, in time slices; undefined if none does. */
  *find(scopes: readonly string[], work: WorkBudget): TimeSliced<HeldWay | undefined> {
    const units = 1 + Math.floor(this.#starting.depth / PREFIXES_PER_UNIT);
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
    const least = Math.min(this.#equal.get(scope) ?? Infinity, this.#starting.least(scope));
    return scope.endsWith('*') ? Math.min(least, this.#starred.least(scope.slice(0, -1))) : least;
  }
}

/** The least number among all texts that are prefixes of a text, by binary search in the sorted texts. */
class LeastOfPrefixes {
  readonly #texts: readonly string[];
  /** The index of each text's longest prefix among the others; -1 if there is none. */
  readonly #parents: Int32Array;
  /** The least number of each text and its prefixes. */
  readonly #least: Float64Array;
  /** How many texts are prefixes one of another, at most. */
  depth = 0;

  private constructor(texts: readonly string[]) {
    this.#texts = texts;
    this.#parents = new Int32Array(texts.length);
    this.#least = new Float64Array(texts.length);
  }

  static *of(numbers: ReadonlyMap<string, number>, work: WorkBudget): TimeSliced<LeastOfPrefixes> {
    const texts = yield* sortedTexts([...numbers.keys()], work);
    const all = new LeastOfPrefixes(texts);
    const depths = new Int32Array(texts.length);
    for (const [i, text] of texts.entries()) {
      if (work.spend()) yield;
      const parent = all.#prefixOf(text, i - 1);
      all.#parents[i] = parent;
      all.#least[i] = Math.min(numbers.get(text)!, all.#leastAt(parent));
      depths[i] = parent < 0 ? 1 : depths[parent]! + 1;
      all.depth = Math.max(all.depth, depths[i]!);
    }
    return all;
  }

  /** Infinity if no text is a prefix. */
  least(text: string): number {
    const at = lowerBound(this.#texts, text);
    return this.#leastAt(this.#texts[at] === text ? at : this.#prefixOf(text, at - 1));
  }

  #leastAt(i: number): number {
    return i < 0 ? Infinity : this.#least[i]!;
  }

  /**
   * The index of the longest prefix of a text; -1 if there is none. `last` is that of the last text before it: whatever
   * sorts between a prefix and the text begins with the prefix, too.
   */
  #prefixOf(text: string, last: number): number {
    let at = last;
    while (at >= 0 && !text.startsWith(this.#texts[at]!)) at = this.#parents[at]!;
    return at;
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
    const { length } = texts;
    const tree = new Float64Array(2 * length);
    for (const [i, text] of texts.entries()) {
      if (work.spend()) yield;
      tree[length + i] = numbers.get(text)!;
    }
    for (let i = length - 1; i > 0; i -= 1) tree[i] = Math.min(tree[2 * i]!, tree[2 * i + 1]!);
    return new LeastByPrefix(texts, tree);
  }

  /** Infinity if no text has the prefix. */
  least(prefix: string): number {
    let least = Infinity;
    let from = lowerBound(this.#texts, prefix) + this.#texts.length;
    let to = lowerBound(this.#texts, prefix + MAX_CODE_UNIT) + this.#texts.length;
    for (; from < to; from >>= 1, to >>= 1) {
      if (from & 1) least = Math.min(least, this.#tree[from++]!);
      if (to & 1) least = Math.min(least, this.#tree[--to]!);
    }
    return least;
  }
}

/** The index of the first text that does not sort before the given one. */
function lowerBound(texts: readonly string[], text: string): number {
  let low = 0;
  let high = texts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (texts[middle]! < text) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Sorts after every character of scopes, which are ASCII. */
const MAX_CODE_UNIT = '\uffff';
