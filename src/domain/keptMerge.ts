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
      const isThere = contains(this.#all, scope);
      if (this.#counts.get(scope) === 0) {
        this.#counts.delete(scope);
        if (isThere) gone.add(scope);
      } else if (!isThere) come.push(scope);
    }
    if (gone.size === 0 && come.length === 0) return;
    this.#all = merged(gone.size > 0 ? this.#all.filter((each) => !gone.has(each)) : this.#all, come);
    this.#normal = this.#all.filter(uncovered());
  }
}

/** Says of scopes that are given in order whether none before covers it. */
function uncovered(): (scope: string) => boolean {
  let last: string | undefined;
  return (scope) => {
    if (last !== undefined && covers(last, scope)) return false;
    last = scope;
    return true;
  };
}

function contains(sorted: Scopes, scope: string): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareScopes(sorted[middle]!, scope) < 0) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === scope;
}

function merged(sorted: Scopes, others: string[]): string[] {
  others.sort(compareScopes);
  const all: string[] = [];
  let next = 0;
  for (const scope of sorted) {
    while (next < others.length && compareScopes(others[next]!, scope) < 0) all.push(others[next++]!);
    all.push(scope);
  }
  return all.concat(others.slice(next));
}
