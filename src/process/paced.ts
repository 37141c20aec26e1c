import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { LongWork, WorkFor } from './longWork.ts';

/** The most time (ms) that one step is charged for. Anything longer was spent waiting for a store. */
const MAX_CHARGE = 10;

/** Does one step of a longer task, some milliseconds of work, when the caller's share of the time allows it. */
export type Paced = <T>(step: () => Promise<T>) => Promise<T>;

/** Paces the steps of a caller's task, with a turn of the event loop after each. */
export function makePaced(longWork: Pick<LongWork, 'untilReady' | 'charge'>, owner: WorkFor): Paced {
  return async (step) => {
    await longWork.untilReady(owner);
    const began = performance.now();
    const result = await step();
    longWork.charge(owner, Math.min(performance.now() - began, MAX_CHARGE));
    await yieldToEventLoop();
    return result;
  };
}
