import {
  compareScopes,
  covers,
  dropCoveredInSlices,
  mergeSorted,
  sortInSlices,
  dropCovered,
} from './scopes.ts';
import type { WorkBudget } from './workBudget.ts';
import type { TimeSliced } from './timeSliced.ts';

type Scopes = readonly string[];

/**
 * The normal form of the union of very many normal forms, maintained incrementally: an update only looks at the lists
 * that were added or removed. Example: of [a, b] and [b, c] it is [a, b, c]. When [b, c] is removed and [d] added, no
 * list holds c any more, but one still holds b: it is [a, b, d].
 */
export class IncrementalMerge {
  #lists: ReadonlySet<Scopes> = new Set();
  /** In how many lists each scope occurs. */
  #counts = new Map<string, number>();
  /** All scopes of all lists, sorted, with those that others cover. */
  #all: string[] = [];
  #normal: string[] = [];

  /**
   * The merge of these lists, in time slices. It is the same array as before if its content did not change. Not
   * re-entrant: the next call must wait for the end of this one.
   */
  *of(lists: ReadonlySet<Scopes>, work: WorkBudget): TimeSliced<Scopes> {
    const touched = new Set<string>();
    for (const list of this.#lists) if (!lists.has(list)) yield* this.#count(list, { by: -1, touched }, work);
    for (const list of lists) if (!this.#lists.has(list)) yield* this.#count(list, { by: 1, touched }, work);
    this.#lists = lists;
    yield* this.#update(touched, work);
    return this.#normal;
  }

  *#count(
    list: Scopes,
    { by, touched }: { by: number; touched: Set<string> },
    work: WorkBudget,
  ): TimeSliced<void> {
    for (const scope of list) {
      this.#counts.set(scope, (this.#counts.get(scope) ?? 0) + by);
      touched.add(scope);
      if (work.spend(2)) yield;
    }
  }

  /** `touched` are the scopes whose count may have changed from or to zero. */
  *#update(touched: Set<string>, work: WorkBudget): TimeSliced<void> {
    const removed = new Set<string>();
    const added: string[] = [];
    for (const scope of touched) {
      const isPresent = this.#all[lowerBound(this.#all, scope)] === scope;
      if (this.#counts.get(scope) === 0) {
        this.#counts.delete(scope);
        if (isPresent) removed.add(scope);
      } else if (!isPresent) added.push(scope);
      if (work.spend(2)) yield;
    }
    if ((removed.size + added.length) * MIN_SCOPES_PER_CHANGE < this.#all.length) {
      for (const scope of [...removed, ...added]) {
        this.#change(scope, !removed.has(scope));
        if (work.spend(1 + this.#all.length / COPIES_PER_UNIT)) yield;
      }
      return;
    }
    const remaining = removed.size > 0 ? this.#all.filter((each) => !removed.has(each)) : this.#all;
    this.#all = yield* mergeSorted(remaining, yield* sortInSlices(added, work), work);
    this.#normal = yield* dropCoveredInSlices(this.#all, work);
  }

  /** Adds or removes one scope. Only the scopes that it covers are affected: they directly follow it. */
  #change(scope: string, isAdded: boolean): void {
    const at = lowerBound(this.#all, scope);
    if (isAdded) this.#all.splice(at, 0, scope);
    else this.#all.splice(at, 1);
    const from = lowerBound(this.#normal, scope);
    const before = this.#normal[from - 1];
    if (before !== undefined && covers(before, scope)) return;
    const covered = this.#all.slice(at, endOfCovered(this.#all, scope, at));
    const to = endOfCovered(this.#normal, scope, from);
    this.#normal = this.#normal.slice(0, from).concat(dropCovered(covered), this.#normal.slice(to));
  }
}

/** Changes are made one by one if there are more than this many scopes for each of them. */
const MIN_SCOPES_PER_CHANGE = 256;
/** How many scopes are copied for one unit of work. */
const COPIES_PER_UNIT = 64;

/** The index of the first scope that does not sort before the given one. */
function lowerBound(sorted: Scopes, scope: string): number {
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
