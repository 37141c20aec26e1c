import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** While requests come, long work takes one part in so many of the time. */
const SHARE = 20;
/** What long work may take (ms) beyond its share when there was none for a while: a page of a list is not kept waiting. */
const BURST = 50;
/** The longest pause (ms): long work goes on, however much there is to do. */
const MAX_PAUSE = 200;

let requests = 0;

/** Notes that a request came, for which long work is to make way. */
export function countRequestForSlicing(): void {
  requests += 1;
}

/** How many requests came until now. */
export function requestsSoFar(): number {
  return requests;
}

/** What all long work of a kind may still take (ms), as of a time: answers do not wait for what nobody waits for. */
export type Allowance = { left: number; at: number };
const allowances = {
  answer: { left: BURST, at: 0 } as Allowance,
  background: { left: BURST, at: 0 } as Allowance,
};

/**
 * Pauses for long work that is done a little at a time: call it after every few milliseconds of work. Whatever waits gets
 * its turn; while requests come, the pauses are so long that they hardly notice the work.
 */
export function makeYielder(kind: keyof typeof allowances): () => Promise<void> {
  const allowance = allowances[kind];
  let resumed = performance.now();
  return async function yieldToEventLoop() {
    const now = performance.now();
    const debt = debtAfter(allowance, { worked: now - resumed, now, share: SHARE });
    const before = requests;
    await nextTurn();
    if (debt > 0 && requests > before) await sleep(Math.min(MAX_PAUSE, debt * SHARE));
    resumed = performance.now();
  };
}

/**
 * Takes time (ms) that was worked from an allowance, which grows by one part in `share` of the time, and answers what was taken too
 * much, of what makes pauses of no more than `longest` (ms); less than none where something is left.
 */
export function debtAfter(
  allowance: Allowance,
  {
    worked,
    now,
    share,
    maxPause = MAX_PAUSE,
  }: { worked: number; now: number; share: number; maxPause?: number },
): number {
  const grown = Math.min(BURST, allowance.left + (now - allowance.at) / share);
  allowance.left = Math.max(-maxPause / share, grown - worked);
  allowance.at = now;
  return -allowance.left;
}
