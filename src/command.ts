import type { WorkBudget } from './domain/workBudget.ts';
import type { MaybeTimeSliced } from './domain/timeSliced.ts';
import type { Event } from './event.ts';

/**
 * A change that can be requested, as pure functions. Any of them can refuse the request by throwing. `check` needs no
 * state. `authParams` returns the parameters of the endpoint's scope expression, from the same state that `decide` sees,
 * and refuses what does not exist. `decide` returns the events; `[]` if the state is already as requested. Long
 * computations run in time slices metered by `work`. If the stream changes meanwhile (optimistic concurrency),
 * everything is done again.
 */
export type Command<Input, State, E extends Event> = {
  check?(input: Input): void;
  authParams(input: Input, state: State, work: WorkBudget): MaybeTimeSliced<Record<string, unknown>>;
  decide(input: Input, state: State, context: { now: Date; work: WorkBudget }): MaybeTimeSliced<E[]>;
};
