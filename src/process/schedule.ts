import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';

/**
 * Something that is done now and then: `run` answers how much it did, and leaves the rest to another time when the signal
 * aborts; `every` is in milliseconds.
 */
export type Job = { name: string; every: number; run(signal: AbortSignal): Promise<number> };

/** How often (ms) a node asks whether the jobs have become its own. */
const POLL_INTERVAL = 500;

/**
 * Runs each job at once and then every so often, while `isOurs` says that this node is the one to do it.
 * Answers a function that starts no further run and resolves when those under way have ended.
 */
export function schedule(
  jobs: Job[],
  { isOurs: isLeader, log }: { isOurs(): boolean; log: Logger },
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
