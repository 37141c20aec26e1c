/**
 * A computation in time slices. It yields after every few milliseconds of work, so that its runner can give other work
 * a turn, and finally returns its result. `yield*` composes such computations; `runToCompletion` runs one without
 * pauses. Functions that return one and also exist in a synchronous form have names that end in `InSlices`.
 */
export type TimeSliced<Result> = Generator<void, Result, void>;

/** A computation that is short enough for one slice may return its result directly. */
export type MaybeTimeSliced<Result> = Result | TimeSliced<Result>;

/** Makes a time-sliced computation of either form. */
export function* asTimeSliced<Result>(computation: MaybeTimeSliced<Result>): TimeSliced<Result> {
  return isTimeSliced(computation) ? yield* computation : computation;
}

function isTimeSliced<Result>(computation: MaybeTimeSliced<Result>): computation is TimeSliced<Result> {
  return (
    typeof computation === 'object' &&
    computation !== null &&
    Symbol.iterator in computation &&
    'next' in computation
  );
}

/** Runs a computation synchronously, without yielding to other work. */
export function runToCompletion<Result>(computation: MaybeTimeSliced<Result>): Result {
  if (!isTimeSliced(computation)) return computation;
  for (;;) {
    const step = computation.next();
    if (step.done) return step.value;
  }
}
