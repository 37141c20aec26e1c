import { compareScopes, covers, droppingCovered, inOrder, sorting, withoutCovered } from './scopes.ts';
import type { Sliced, Work } from './work.ts';

type Scopes = readonly string[];

/**
 * The normal form of very many normal forms together, kept up to date: when it is asked for again, only what the lists that
 * came and went hold is looked at. Example: of [a, b] and [b, c] it is [a, b, c]; with [b, c] gone and [d] come, c is in no
 * list any more, b still is in one, so that it is [a, b, d].
 */
export class IncrementalMerge {
  #lists: ReadonlySet<Scopes> = new Set();
  /** In how many lists a scope is. */
  #counts = new Map<string, number>();
  /** All scopes that are in a list, in order, with those that others cover. */
  #all: string[] = [];
  #normal: string[] = [];

  /**
   * The merge of these lists, in slices: the same array as before when nothing in it changed. It must not be asked again before
   * it has answered.
   */
  *of(lists: ReadonlySet<Scopes>, work: Work): Sliced<Scopes> {
    const touched = new Set<string>();
    for (const list of this.#lists) if (!lists.has(list)) yield* this.#count(list, { by: -1, touched }, work);
    for (const list of lists) if (!this.#lists.has(list)) yield* this.#count(list, { by: 1, touched }, work);
    this.#lists = lists;
    yield* this.#update(touched, work);
    return this.#normal;
  }

  *#count(list: Scopes, { by, touched }: { by: number; touched: Set<string> }, work: Work): Sliced<void> {
    for (const scope of list) {
      this.#counts.set(scope, (this.#counts.get(scope) ?? 0) + by);
      touched.add(scope);
      if (work.spend(2)) yield;
    }
  }

  /** `touched` are the scopes whose count may have changed from or to none. */
  *#update(touched: Set<string>, work: Work): Sliced<void> {
    const gone = new Set<string>();
    const come: string[] = [];
    for (const scope of touched) {
      const isThere = this.#all[firstFrom(this.#all, scope)] === scope;
      if (this.#counts.get(scope) === 0) {
        this.#counts.delete(scope);
        if (isThere) gone.add(scope);
      } else if (!isThere) come.push(scope);
      if (work.spend(2)) yield;
    }
    if ((gone.size + come.length) * FEW_AMONG < this.#all.length) {
      for (const scope of [...gone, ...come]) {
        this.#change(scope, !gone.has(scope));
        if (work.spend(1 + this.#all.length / COPIED_FOR_ONE)) yield;
      }
      return;
    }
    const kept = gone.size > 0 ? this.#all.filter((each) => !gone.has(each)) : this.#all;
    this.#all = yield* inOrder(kept, yield* sorting(come, work), work);
    this.#normal = yield* droppingCovered(this.#all, work);
  }

  /** One scope came or went: what it covers stands directly behind it, and nothing else is concerned. */
  #change(scope: string, isThere: boolean): void {
    const at = firstFrom(this.#all, scope);
    if (isThere) this.#all.splice(at, 0, scope);
    else this.#all.splice(at, 1);
    const from = firstFrom(this.#normal, scope);
    const before = this.#normal[from - 1];
    if (before !== undefined && covers(before, scope)) return;
    const covered = this.#all.slice(at, endOfCovered(this.#all, scope, at));
    const to = endOfCovered(this.#normal, scope, from);
    this.#normal = this.#normal.slice(0, from).concat(withoutCovered(covered), this.#normal.slice(to));
  }
}

/** One by one is quicker for at most one change among so many scopes. */
const FEW_AMONG = 256;
/** So many scopes are copied in the time that it takes to look at one. */
const COPIED_FOR_ONE = 64;

/** Where the first stands that is not before a scope. */
function firstFrom(sorted: Scopes, scope: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareScopes(sorted[middle]!, scope) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function endOfCovered(sorted: Scopes, scope: string, from: number): number {
  let to = from;
  while (to < sorted.length && covers(scope, sorted[to]!)) to += 1;
  return to;
}
