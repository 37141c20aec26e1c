import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LeaseRecord, ReadStore } from './readStore.ts';

/** A claim on a lease: this process holds it, or tries to get it. */
export type Lease = {
  /**
   * Whether this process holds the lease now. A process that was frozen for longer than the lease time notices here.
   */
  isHeld(): boolean;
  /** Releases the lease, so that another process gets it at once, and stops trying for it. */
  release(): Promise<void>;
};

/** How often a lease is renewed, or tried for, within its time. */
const ATTEMPTS_PER_LEASE_TIME = 5;

/**
 * Tries to acquire a lease until it is released, and renews it while it is held. A lease is lost when an observer sees
 * its renewal counter unchanged for `leaseTime` (ms, default 5000) on its own monotonic clock; wall clocks are never
 * compared. So at most one process holds it at a time, and after a crash another takes over within little more than the
 * lease time. An error of the store counts as a failed renewal and is passed to `onError`.
 */
export function holdLease(options: {
  readStore: Pick<ReadStore, 'readLease' | 'swapLease'>;
  name: string;
  holder: string;
  leaseTime?: number;
  signal?: AbortSignal;
  onError?(error: unknown): void;
}): Lease {
  const { readStore, name, holder, leaseTime = 5000, signal, onError } = options;
  const stopping = new AbortController();
  const stopped = signal ? AbortSignal.any([signal, stopping.signal]) : stopping.signal;
  let own: LeaseRecord | undefined;
  let renewedAt = -Infinity;
  let observed: { record: LeaseRecord; since: number } | undefined;

  const isHeld = (): boolean => own !== undefined && performance.now() - renewedAt < leaseTime;

  async function claim(expected: LeaseRecord | undefined): Promise<void> {
    const next = { holder, counter: (expected?.counter ?? 0) + 1 };
    // Measured from before the request: nobody can have seen the new counter any earlier.
    const askedAt = performance.now();
    if (await readStore.swapLease(name, { expected, next })) {
      own = next;
      renewedAt = askedAt;
    } else own = undefined;
  }

  async function step(): Promise<void> {
    if (own) return claim(own);
    const record = await readStore.readLease(name);
    // It is this process's own if the reply to a renewal was lost.
    if (!record || record.holder === holder) return claim(record);
    const isSame = observed?.record.holder === record.holder && observed.record.counter === record.counter;
    if (!isSame) observed = { record, since: performance.now() };
    else if (performance.now() - observed!.since >= leaseTime) await claim(record);
  }

  async function keepTrying(): Promise<void> {
    while (!stopped.aborted) {
      await step().catch((error: unknown) => onError?.(error));
      const pause = leaseTime / ATTEMPTS_PER_LEASE_TIME;
      await sleep(pause, undefined, { signal: stopped, ref: false }).catch(() => undefined);
    }
  }
  const trying = keepTrying();

  return {
    isHeld,
    async release() {
      stopping.abort();
      await trying;
      if (own) await readStore.swapLease(name, { expected: own, next: undefined });
      own = undefined;
    },
  };
}
