import { sortedTexts } from './sortedTexts.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { Way } from './waysTo.ts';
import type { WorkBudget } from './workBudget.ts';

/** A held scope, and the way that leads on from it. */
export type HeldWay = { held: string; way: Way };

/** Tells for one holder after another which of its scopes is on the shortest of many ways. */
export class WayMatcher {
  readonly #ways: readonly Way[];
  /** The index of each way by its text. Indexes order the ways by their length. */
  #equal = new Map<string, number>();
  #starting = new Map<string, number>();
  /** The lengths of the texts in `#starting`. */
  #lengths: number[] = [];
  #starred: LeastByPrefix;

  private constructor(ways: readonly Way[], starred: LeastByPrefix) {
    this.#ways = ways;
    this.#starred = starred;
    const lengths = new Set<number>();
    for (const [i, { kind, text }] of ways.entries()) {
      if (kind === 'equal') this.#equal.set(text, i);
      if (kind !== 'starting') continue;
      this.#starting.set(text, i);
      lengths.add(text.length);
    }
    this.#lengths = [...lengths];
  }

  /** Prepares it for ways, shortest first, in time slices. */
  static *of(ways: readonly Way[], work: WorkBudget): TimeSliced<WayMatcher> {
    const starred = new Map(
      ways.flatMap(({ kind, text }, i) => (kind === 'starred-prefix' ? [[text, i] as const] : [])),
    );
    const texts = yield* sortedTexts([...starred.keys()], work);
    return new WayMatcher(ways, new LeastByPrefix(texts, (text) => starred.get(text)!));
  }

  /** The shortest way that begins at one of these scopes; undefined if none does. */
  find(scopes: readonly string[]): HeldWay | undefined {
    let least = Infinity;
    let held = '';
    for (const scope of scopes) {
      const i = this.#indexFor(scope);
      if (i < least) [least, held] = [i, scope];
    }
    return least === Infinity ? undefined : { held, way: this.#ways[least]! };
  }

  #indexFor(scope: string): number {
    let least = this.#equal.get(scope) ?? Infinity;
    for (const length of this.#lengths)
      if (length <= scope.length)
        least = Math.min(least, this.#starting.get(scope.slice(0, length)) ?? Infinity);
    return scope.endsWith('*') ? Math.min(least, this.#starred.least(scope.slice(0, -1))) : least;
  }
}

/** The least number among all texts with a prefix, by binary search and a tree of minima over the sorted texts. */
class LeastByPrefix {
  readonly #texts: readonly string[];
  #tree: Float64Array;

  constructor(texts: readonly string[], numberOf: (text: string) => number) {
    const { length } = texts;
    this.#texts = texts;
    this.#tree = new Float64Array(2 * length);
    for (const [i, text] of texts.entries()) this.#tree[length + i] = numberOf(text);
    for (let i = length - 1; i > 0; i -= 1)
      this.#tree[i] = Math.min(this.#tree[2 * i]!, this.#tree[2 * i + 1]!);
  }

  /** Infinity if no text has the prefix. */
  least(prefix: string): number {
    let least = Infinity;
    let from = this.#lowerBound(prefix) + this.#texts.length;
    let to = this.#lowerBound(prefix + MAX_CODE_UNIT) + this.#texts.length;
    for (; from < to; from >>= 1, to >>= 1) {
      if (from & 1) least = Math.min(least, this.#tree[from++]!);
      if (to & 1) least = Math.min(least, this.#tree[--to]!);
    }
    return least;
  }

  #lowerBound(text: string): number {
    let low = 0;
    let high = this.#texts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#texts[middle]! < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Sorts after every character of scopes, which are ASCII. */
const MAX_CODE_UNIT = '\uffff';
