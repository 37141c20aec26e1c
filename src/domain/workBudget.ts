import { ApiError } from './errors.ts';

/** Units of work in a time slice. Looking at one scope takes about one unit; a slice takes a few milliseconds. */
export const SLICE_UNITS = 10_000;

/** The default of how many scopes an expansion may produce (see sizeOfScopes). */
export const MAX_EXPANSION_SCOPES = 400_000;

/** Units of work that an expansion may take for each scope that it may produce. */
const UNITS_PER_SCOPE = 20;

/** A scope of up to this many characters counts as one; a longer one counts once more for each such length. */
const TYPICAL_SCOPE_LENGTH = 100;

/**
 * The number of scopes, as limits count it: long scopes count as several, because memory is taken by their characters.
 */
export function sizeOfScopes(scopes: readonly string[]): number {
  let size = scopes.length;
  for (const { length } of scopes)
    if (length > TYPICAL_SCOPE_LENGTH) size += Math.floor(length / TYPICAL_SCOPE_LENGTH);
  return size;
}

/**
 * V8 gives all texts of the same length the same hash beyond this length, so that each is compared with all others. Few of
 * them are allowed.
 */
const MAX_HASHED_LENGTH = 16_383;
const UNHASHED_FACTOR = 10;

/**
 * Units of work to produce a text and to look it up: one, and for each 100 characters as many as an expansion may take for
 * a scope, because they stay in memory; several times that for a very long one.
 */
export function unitsToProduce({ length }: string): number {
  const units = 1 + UNITS_PER_SCOPE * Math.floor(length / TYPICAL_SCOPE_LENGTH);
  return length > MAX_HASHED_LENGTH ? UNHASHED_FACTOR * units : units;
}

/** Scopes expand to more, or take more work, than an expansion may. */
export class ExpansionTooLarge extends ApiError {
  constructor(limit: number) {
    super(
      'InputError',
      `these scopes expand to more than ${limit} scopes (MAX_EXPANSION_SCOPES), which is too much at a time`,
      { limit },
    );
  }
}

/** Meters the work of one time-sliced computation: it says when a slice is full, and refuses work beyond a limit. */
export class WorkBudget {
  /** The most units that any slice has taken. */
  longestSlice = 0;
  /** How many scopes may be produced. */
  readonly limit: number;
  #unitsLeft: number;
  #units = 0;
  #inSlice = 0;
  #maxInSlice: number;

  /**
   * `limit` is how many scopes may be produced (see sizeOfScopes). `firstSlice` is the length of the first slice in
   * units: shorter than the others where the computation is first tried synchronously.
   */
  constructor({
    limit = MAX_EXPANSION_SCOPES,
    firstSlice = SLICE_UNITS,
  }: { limit?: number; firstSlice?: number } = {}) {
    this.limit = limit;
    this.#unitsLeft = limit * UNITS_PER_SCOPE;
    this.#maxInSlice = firstSlice;
  }

  /** All units spent so far. */
  get units(): number {
    return this.#units;
  }

  /** Starts the next computation: sets the units that are left to so many, by default to all that the limit allows. */
  refill(units = this.limit * UNITS_PER_SCOPE): void {
    this.#unitsLeft = units;
  }

  /**
   * Counts work that was done. Returns whether the slice is full, so that the caller yields. Throws ExpansionTooLarge.
   */
  spend(units = 1): boolean {
    this.#unitsLeft -= units;
    if (this.#unitsLeft < 0) throw new ExpansionTooLarge(this.limit);
    return this.spendUnlimited(units);
  }

  /** Like `spend`, for work that is limited elsewhere. Never throws. */
  spendUnlimited(units = 1): boolean {
    this.#units += units;
    this.#inSlice += units;
    if (this.#inSlice > this.longestSlice) this.longestSlice = this.#inSlice;
    if (this.#inSlice < this.#maxInSlice) return false;
    this.#inSlice = 0;
    this.#maxInSlice = SLICE_UNITS;
    return true;
  }

  /** Returns a function that adds up the scopes of one set, and throws ExpansionTooLarge once they exceed the limit. */
  scopeCounter(): (scopes: readonly string[]) => void {
    let left = this.limit;
    return (scopes) => {
      left -= sizeOfScopes(scopes);
      if (left < 0) throw new ExpansionTooLarge(this.limit);
    };
  }
}
