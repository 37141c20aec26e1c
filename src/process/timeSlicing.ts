import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** While requests arrive, long work gets 1/SHARE of the time. */
const SHARE = 20;
/** How much time (ms) long work may take beyond its share after a while without any: enough for a page of a list. */
const BURST = 50;
/** The longest pause (ms), so that long work progresses under any load. */
const MAX_PAUSE = 200;

let requests = 0;

/** Counts a request, for which long work makes pauses. */
export function countRequestForSlicing(): void {
  requests += 1;
}

/** How many requests have been counted. */
export function requestsSoFar(): number {
  return requests;
}

/**
 * The time (ms) that long work of a kind may still take, as of `at`. Replies have an allowance apart from background
 * work, so that they do not wait for it.
 */
export type Allowance = { left: number; at: number };
const allowances = {
  answer: { left: BURST, at: 0 } as Allowance,
  background: { left: BURST, at: 0 } as Allowance,
};

/**
 * Makes a function that long work awaits after every few milliseconds. It yields to the event loop, and pauses while
 * requests arrive, so that these are hardly delayed.
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
 * Charges worked time (ms) to an allowance, which grows by 1/share of the elapsed time. Returns the debt (ms), at most
 * as much as causes a pause of `maxPause` (ms); negative if some allowance is left.
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
