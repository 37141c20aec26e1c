import { setImmediate as turnOfTheLoop, setTimeout as sleep } from 'node:timers/promises';

/** When others took longer than this (ms) in one turn of the event loop, the process has much to do. */
const MUCH = 0.2;
/** While it has, long work takes one part in so many of the time. */
const SHARE = 20;
/** The longest pause (ms): long work goes on, however much there is to do. */
const LONGEST = 200;

/**
 * Pauses for long work that is done a little at a time: call it after every few milliseconds of work. Whatever waits gets
 * its turn; while much does, the pauses are so long that requests hardly notice the work.
 */
export function makeGiveWay(): () => Promise<void> {
  let resumed = performance.now();
  return async function giveWay() {
    const paused = performance.now();
    const worked = paused - resumed;
    await turnOfTheLoop();
    if (performance.now() - paused > MUCH) await sleep(Math.min(LONGEST, worked * (SHARE - 1)));
    resumed = performance.now();
  };
}
