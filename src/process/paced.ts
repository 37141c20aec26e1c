import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { LongWork, WorkFor } from './longWork.ts';

/** Steps share a turn of the event loop until they have taken so long (ms). */
const TURN = 2;
/** The most time (ms) that one step is charged for. Anything longer was spent waiting for a store. */
const MAX_CHARGE = 10;

/** Does one step of a longer task, some milliseconds of work, when the caller's share of the time allows it. */
export type Paced = <T>(step: () => Promise<T>) => Promise<T>;

/** Paces the steps of a caller's task, which make way for others every few milliseconds. */
export function makePaced(longWork: Pick<LongWork, 'untilReady' | 'charge'>, owner: WorkFor): Paced {
  let worked = 0;
  return async (step) => {
    if (worked === 0) await longWork.untilReady(owner);
    const began = performance.now();
    const result = await step();
    worked += Math.min(performance.now() - began, MAX_CHARGE);
    if (worked > TURN) {
      longWork.charge(owner, worked);
      worked = 0;
      await yieldToEventLoop();
    }
    return result;
  };
}
