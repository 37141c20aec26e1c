import type { WorkBudget } from './domain/workBudget.ts';
import type { MaybeTimeSliced } from './domain/timeSliced.ts';
import type { Event } from './event.ts';

/**
 * What may be asked to change, as pure functions; the first of them to throw refuses the request. `check` needs no
 * state; `authParams` fills the endpoint's scope expression from the very state that is changed (and refuses what does
 * not exist); `decide` says what happened: `[]` when it is already so. What may take long does these in slices of
 * `work`; the state may change meanwhile, and then all is done again.
 */
export type Command<Input, State, E extends Event> = {
  check?(input: Input): void;
  authParams(input: Input, state: State, work: WorkBudget): MaybeTimeSliced<Record<string, unknown>>;
  decide(input: Input, state: State, context: { now: Date; work: WorkBudget }): MaybeTimeSliced<E[]>;
};
