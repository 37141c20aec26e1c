import { LOOKUP_UNITS, mergeInSlices, satisfies } from './scopes.ts';
import { sameList } from './sameList.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { WorkBudget } from './workBudget.ts';

type Scopes = readonly string[];

/** The scopes that were gained and lost. One that a wider scope covers before or after is no change. */
export type ScopeChange = { gained: string[]; lost: string[] };

/** A scope set as lists in normal form whose merge it is: that of the holder, and those of roles. */
export type Lists = { held: Scopes; granted: Iterable<Scopes> };

/** Lists longer than this are not compared by content, which would take too long at once. */
const MAX_COMPARED = 20_000;
/** Characters of lists that are remembered. */
const MAX_CHARACTERS = 16 * 1024 * 1024;
/** How many scopes are joined, and how many merged, in the time of one unit of work and of one lookup. */
const JOINED_PER_UNIT = 16;
const MERGED_PER_LOOKUP = 4;

/** Finds changes between sets that mostly consist of the same lists. It remembers which lists are the same. */
export class ScopeChanges {
  #first = new Map<string, Scopes>();
  #same = new WeakMap<Scopes, Scopes>();
  #characters = 0;

  /** What changed from one scope set to another, in normal form, in time slices. Throws ExpansionTooLarge. */
  *between(before: Lists, after: Lists, work: WorkBudget): TimeSliced<ScopeChange> {
    const had = yield* this.#setOf(before, before.held, work);
    const has = yield* this.#setOf(after, sameList(before.held, after.held) ? before.held : after.held, work);
    return { gained: yield* missing(had, has, work), lost: yield* missing(has, had, work) };
  }

  *#setOf({ granted }: Lists, held: Scopes, work: WorkBudget): TimeSliced<Set<Scopes>> {
    const lists = new Set([held]);
    for (const list of granted) {
      if (work.spend(this.#same.has(list) ? 1 : 1 + list.length / JOINED_PER_UNIT)) yield;
      lists.add(this.#firstLike(list));
    }
    return lists;
  }

  /** The first list with the same content; perhaps a later one, which only takes longer. */
  #firstLike(list: Scopes): Scopes {
    const known = this.#same.get(list);
    if (known) return known;
    if (list.length > MAX_COMPARED) return list;
    if (this.#characters > MAX_CHARACTERS) this.#forget();
    // With the length: there may be an empty scope.
    const content = `${list.length}\n${list.join('\n')}`;
    const first = this.#first.get(content) ?? list;
    if (first === list) {
      this.#first.set(content, list);
      this.#characters += content.length;
    }
    this.#same.set(list, first);
    return first;
  }

  #forget(): void {
    this.#first.clear();
    this.#same = new WeakMap();
    this.#characters = 0;
  }
}

/** The scopes of some lists that no list of the others covers: only the lists that both have need no look. */
function* missing(
  have: ReadonlySet<Scopes>,
  lists: ReadonlySet<Scopes>,
  work: WorkBudget,
): TimeSliced<string[]> {
  const others = [...lists].filter((list) => !have.has(list));
  const needs = yield* mergeInSlices(others, work);
  const total = [...have].reduce((sum, { length }) => sum + length, 0);
  const isFew = needs.length * have.size * MERGED_PER_LOOKUP <= total;
  const covering = isFew || needs.length === 0 ? [...have] : [yield* mergeInSlices([...have], work)];
  const found: string[] = [];
  for (const need of needs) {
    if (!covering.some((list) => satisfies(list, need))) found.push(need);
    if (work.spendUnlimited(LOOKUP_UNITS * covering.length)) yield;
  }
  return found;
}
