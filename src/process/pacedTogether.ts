import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { keyedMutex } from './keyedMutex.ts';
import type { LongWork, WorkFor } from './longWork.ts';

/** Steps share a turn of the event loop until they have blocked it for so long (ms). */
const TURN = 2;
/** The most time (ms) that one step is charged for. Anything longer was spent waiting for a store. */
const MAX_CHARGE = 10;

/** Does one step of a caller's task, some milliseconds of work, while others of its steps wait for their stores. */
export type PacedTogether = <T>(owner: WorkFor, step: () => Promise<T>) => Promise<T>;

/**
 * Paces steps that are done at the same time. One caller's steps begin one after the other, within its share of the time,
 * and make way for others every few milliseconds: some stores read synchronously.
 */
export function makePacedTogether(longWork: Pick<LongWork, 'untilReady' | 'charge'>): PacedTogether {
  const inOrder = keyedMutex();
  let blockedThisTurn = 0;
  let blocked = 0;
  return async (owner, step) => {
    await inOrder(owner.caller, async () => {
      await longWork.untilReady(owner);
      while (blockedThisTurn > TURN) {
        await yieldToEventLoop();
        blockedThisTurn = 0;
      }
    });
    const began = performance.now();
    const doing = step();
    const own = performance.now() - began;
    blockedThisTurn += own;
    blocked += own;
    const before = blocked;
    try {
      return await doing;
    } finally {
      // Without what others blocked meanwhile.
      const worked = performance.now() - began - (blocked - before);
      longWork.charge(owner, Math.min(worked, MAX_CHARGE));
    }
  };
}
