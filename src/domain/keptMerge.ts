import { compareScopes, covers } from './scopes.ts';

type Scopes = readonly string[];

/**
 * The normal form of very many normal forms together, kept up to date: when it is asked for again, only what the lists that
 * came and went hold is looked at. Example: of [a, b] and [b, c] it is [a, b, c]; with [b, c] gone and [d] come, c is in no
 * list any more, b still is in one, so that it is [a, b, d].
 */
export class KeptMerge {
  #lists: ReadonlySet<Scopes> = new Set();
  /** In how many lists a scope is. */
  #counts = new Map<string, number>();
  /** All scopes that are in a list, in order, with those that others cover. */
  #all: string[] = [];
  #normal: string[] = [];

  /** The merge of these lists: the same array as before when nothing in it changed. */
  of(lists: ReadonlySet<Scopes>): Scopes {
    const touched = new Set<string>();
    for (const list of this.#lists) if (!lists.has(list)) this.#count(list, -1, touched);
    for (const list of lists) if (!this.#lists.has(list)) this.#count(list, 1, touched);
    this.#lists = lists;
    this.#update(touched);
    return this.#normal;
  }

  #count(list: Scopes, by: number, touched: Set<string>): void {
    for (const scope of list) {
      this.#counts.set(scope, (this.#counts.get(scope) ?? 0) + by);
      touched.add(scope);
    }
  }

  /** `touched` are the scopes whose count may have changed from or to none. */
  #update(touched: Set<string>): void {
    const gone = new Set<string>();
    const come: string[] = [];
    for (const scope of touched) {
      const isThere = this.#all[firstFrom(this.#all, scope)] === scope;
      if (this.#counts.get(scope) === 0) {
        this.#counts.delete(scope);
        if (isThere) gone.add(scope);
      } else if (!isThere) come.push(scope);
    }
    if ((gone.size + come.length) * FEW_AMONG < this.#all.length) {
      for (const scope of gone) this.#change(scope, false);
      for (const scope of come) this.#change(scope, true);
    } else {
      const kept = gone.size > 0 ? this.#all.filter((each) => !gone.has(each)) : this.#all;
      this.#all = kept.concat(come).sort(compareScopes);
      this.#normal = withoutCovered(this.#all);
    }
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

/** Of scopes in order, those that none of them covers. */
function withoutCovered(sorted: Scopes): string[] {
  let last: string | undefined;
  return sorted.filter((scope) => {
    if (last !== undefined && covers(last, scope)) return false;
    last = scope;
    return true;
  });
}

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
