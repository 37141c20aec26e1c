import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LeaseRecord, ReadStore } from './readStore.ts';

export type Lease = {
  /** Whether this holder has the lease now. A process that was frozen for longer than the lease time notices here. */
  isHeld(): boolean;
  /** Gives the lease back, so that the next one gets it at once, and stops trying for it. */
  release(): Promise<void>;
};

/** Tries a lease is renewed within its time. */
const ATTEMPTS_PER_LEASE_TIME = 5;

/**
 * Tries for a lease at once and from then on, and renews it while it has it. A lease is lost when its renewal counter
 * stood still for `leaseTime` (ms) on the observer's own monotonic clock; wall clocks are never compared. So of several
 * holders, one at a time has it, and another takes over after a crash within little more than the lease time.
 * Errors of the store count as not renewed, and are told to `onError`.
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
  const aborted = signal ? AbortSignal.any([signal, stopping.signal]) : stopping.signal;
  let own: LeaseRecord | undefined;
  let renewedAt = -Infinity;
  let observed: { record: LeaseRecord; since: number } | undefined;

  const isHeld = (): boolean => own !== undefined && performance.now() - renewedAt < leaseTime;

  async function claim(expected: LeaseRecord | undefined): Promise<void> {
    const next = { holder, counter: (expected?.counter ?? 0) + 1 };
    // The time counts from before the store was asked: others cannot have seen the new counter any earlier.
    const askedAt = performance.now();
    if (await readStore.swapLease(name, { expected, next })) {
      own = next;
      renewedAt = askedAt;
    } else own = undefined;
  }

  async function step(): Promise<void> {
    if (own) return claim(own);
    const record = await readStore.readLease(name);
    // Its own, when the reply to a renewal was lost.
    if (!record || record.holder === holder) return claim(record);
    const isSame = observed?.record.holder === record.holder && observed.record.counter === record.counter;
    if (!isSame) observed = { record, since: performance.now() };
    else if (performance.now() - observed!.since >= leaseTime) await claim(record);
  }

  async function keepTrying(): Promise<void> {
    while (!aborted.aborted) {
      await step().catch((error: unknown) => onError?.(error));
      await sleep(leaseTime / ATTEMPTS_PER_LEASE_TIME, undefined, { signal: aborted, ref: false }).catch(
        () => undefined,
      );
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
