import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

/**
 * A periodic job. `run` resolves to how much it did; when the signal aborts, it stops early and leaves the rest to the
 * next run. `every` is the pause between runs in milliseconds.
 */
export type Job = { name: string; every: number; run(signal: AbortSignal): Promise<number> };

/** How often (ms) a node checks whether it has become the leader. */
const POLL_INTERVAL = 500;

/**
 * Runs each job immediately and then periodically, while `isLeader` says that this node runs the jobs. Returns a
 * function that stops the schedule and resolves when the current runs have ended.
 */
export function schedule(
  jobs: Job[],
  { isLeader, log }: { isLeader(): boolean; log: Logger },
): () => Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const pause = (ms: number): Promise<void> =>
    sleep(ms, undefined, { signal, ref: false }).catch((error: Error) => {
      if (error.name !== 'AbortError') throw error;
    });

  async function repeat({ name, every, run }: Job): Promise<void> {
    while (!signal.aborted) {
      if (isLeader()) {
        await run(signal).then(
          (count) => count > 0 && log.info({ job: name, count }, 'job done'),
          (error: unknown) => log.error({ job: name, err: error }, 'job failed: it is tried again later'),
        );
        await pause(every);
      } else await pause(POLL_INTERVAL);
    }
  }
  const running = jobs.map(repeat);
  return async () => {
    stopping.abort();
    await Promise.all(running);
  };
}
