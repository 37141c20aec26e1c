import { ApiError } from './errors.ts';

/**
 * A computation in slices: it yields whenever it has worked for some milliseconds, so that whoever runs it can let others
 * have their turn, and returns its result. `yield*` joins such computations; `atOnce` runs one to its end.
 */
export type Sliced<Result> = Generator<void, Result, void>;

/** Units of work in a slice. A unit is about what it takes to look at one scope: a slice takes some milliseconds. */
export const SLICE = 10_000;

/** How many scopes an expansion may produce (see sizeOfScopes) where nothing else is set. */
export const MAX_EXPANSION_SCOPES = 400_000;

/** Units of work that an expansion may take for each scope that it may produce. */
const UNITS_FOR_EACH = 20;

/** A scope of ordinary length counts as one, a longer one as several: what is kept of it is its text. */
const ORDINARY_LENGTH = 100;

/** What so many scopes count as, where the number of scopes is limited. */
export function sizeOfScopes(scopes: readonly string[]): number {
  let size = scopes.length;
  for (const { length } of scopes) if (length > ORDINARY_LENGTH) size += Math.floor(length / ORDINARY_LENGTH);
  return size;
}

/** Scopes would expand to more, or take more work, than an expansion may. */
export class ExpansionTooLarge extends ApiError {
  constructor(limit: number) {
    super(
      'InputError',
      `these scopes expand to more than ${limit} scopes (MAX_EXPANSION_SCOPES), which is too much at a time`,
      { limit },
    );
  }
}

/** Counts the work of one computation: says when a slice is full, and refuses what goes beyond a limit. */
export class Work {
  /** The most units that one slice took. */
  longestSlice = 0;
  /** How many scopes may be produced. */
  readonly limit: number;
  #unitsLeft: number;
  #units = 0;
  #inSlice = 0;
  #mostInSlice: number;

  /**
   * `limit` is how many scopes may be produced (see sizeOfScopes), and `firstSlice` how many units the first slice takes, for
   * what is only worth others' waiting while it is very short.
   */
  constructor({
    limit = MAX_EXPANSION_SCOPES,
    firstSlice = SLICE,
  }: { limit?: number; firstSlice?: number } = {}) {
    this.limit = limit;
    this.#unitsLeft = limit * UNITS_FOR_EACH;
    this.#mostInSlice = firstSlice;
  }

  /** All units until now. */
  get units(): number {
    return this.#units;
  }

  /** Begins another computation, which has all of the limit, or so many units, to itself. */
  renew(units = this.limit * UNITS_FOR_EACH): void {
    this.#unitsLeft = units;
  }

  /** Counts work that was done. Answers whether it is time to yield. Throws ExpansionTooLarge. */
  spend(units = 1): boolean {
    this.#unitsLeft -= units;
    if (this.#unitsLeft < 0) throw new ExpansionTooLarge(this.limit);
    return this.pass(units);
  }

  /** The same for work that is limited in another way. */
  pass(units = 1): boolean {
    this.#units += units;
    this.#inSlice += units;
    if (this.#inSlice > this.longestSlice) this.longestSlice = this.#inSlice;
    if (this.#inSlice < this.#mostInSlice) return false;
    this.#inSlice = 0;
    this.#mostInSlice = SLICE;
    return true;
  }

  /** Counts the scopes of one set, which throws ExpansionTooLarge once they are too many. */
  counter(): (scopes: readonly string[]) => void {
    let left = this.limit;
    return (scopes) => {
      left -= sizeOfScopes(scopes);
      if (left < 0) throw new ExpansionTooLarge(this.limit);
    };
  }
}

/** What takes one slice may as well be no computation in slices at all. */
export type MaybeSliced<Result> = Result | Sliced<Result>;

/** The same as a computation in slices, whichever it is. */
export function* sliced<Result>(computation: MaybeSliced<Result>): Sliced<Result> {
  return isSliced(computation) ? yield* computation : computation;
}

function isSliced<Result>(computation: MaybeSliced<Result>): computation is Sliced<Result> {
  return (
    typeof computation === 'object' &&
    computation !== null &&
    Symbol.iterator in computation &&
    'next' in computation
  );
}

/** Runs a sliced computation to its end without letting anybody else have a turn. */
export function atOnce<Result>(computation: MaybeSliced<Result>): Result {
  if (!isSliced(computation)) return computation;
  for (;;) {
    const step = computation.next();
    if (step.done) return step.value;
  }
}
