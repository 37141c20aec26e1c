import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { coalesce } from './coalesce.ts';
import { ApiError } from '../domain/errors.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { isPositionOf } from '../eventStore/position.ts';
import { watchOutage } from '../process/outage.ts';
import type { Projector } from './projector.ts';

/** How often (ms) a node proves that it has everything in a log on another machine. */
const PROOF_INTERVAL = 500;

/** Checks before and after a request that its answer does not rest on outdated read models. */
export type Freshness = {
  /**
   * Resolves when this node may answer. With the log on this machine, its read models hold the whole log; with a log on
   * another machine, this was proven within the last MAX_STALENESS. They also hold the position that the caller waits
   * for, if any. Throws InvalidRequestArguments for a position that is malformed, of another log or beyond the end of
   * the log, TooManyRequests if too many requests of the caller wait already, else ServiceUnavailable.
   */
  ensureFresh(awaiting?: Awaiting): Promise<void>;
  /** Throws ServiceUnavailable if the last proof is too old by now, as after the process was frozen. */
  assertStillFresh(): void;
  stop(): Promise<void>;
};

/** A position to wait for, and who waits; `caller` is called only if it is necessary to wait. */
export type Awaiting = { atLeast: string; caller(): Promise<string> | string };

type Parts = { eventStore: EventStore; projector: Projector; log: Logger };

/** Pass `maxStaleness` (ms) for a log on another machine; without it, every request reads the head of the log. */
export async function openFreshness(parts: Parts, maxStaleness: number | undefined): Promise<Freshness> {
  const { eventStore, projector } = parts;
  const proof = maxStaleness === undefined ? undefined : await proveRegularly(parts, maxStaleness);
  // Concurrent requests share one promise.
  const ensureUpToDate = proof ? async (): Promise<void> => proof.check() : projector.catchUp;
  const readHead = coalesce(() => eventStore.head());
  /** The furthest head of the log that this node has seen. */
  let knownHead = eventStore.start;

  async function refreshHead(): Promise<void> {
    const head = await readHead();
    if (head > knownHead) knownHead = head;
  }

  async function waitFor({ atLeast, caller }: Awaiting): Promise<void> {
    checkPosition(atLeast, eventStore.start);
    if (!projector.holds(atLeast)) {
      if (atLeast > knownHead) await refreshHead();
      if (atLeast > knownHead) refuseBeyond(atLeast);
      if (!(await projector.waitForCaller(await caller(), atLeast))) refuseLate(atLeast);
    }
    await ensureUpToDate();
  }
  return {
    ensureFresh: (awaiting) => (awaiting === undefined ? ensureUpToDate() : waitFor(awaiting)),
    assertStillFresh: () => proof?.check(),
    stop: async () => proof?.stop(),
  };
}

/** The age of a proof is measured from when the head was requested, by this machine's monotonic clock. */
async function proveRegularly({ projector, log }: Parts, maxStaleness: number) {
  const stopping = new AbortController();
  const { signal } = stopping;
  const outage = watchOutage(log, 'this node could not prove that it has everything');
  let provenAt = -Infinity;
  /** Why the last proof failed, if the read models say why. */
  let problem = '';

  async function prove(): Promise<void> {
    const askedAt = performance.now();
    await projector.catchUp();
    provenAt = askedAt;
    problem = '';
    outage.ended();
  }

  async function keepProving(): Promise<void> {
    while (!signal.aborted) {
      await sleep(PROOF_INTERVAL, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      await prove().catch((error: unknown) => {
        problem = error instanceof ApiError ? ` (${error.message})` : '';
        outage.failed(error);
      });
    }
  }

  await prove();
  const proving = keepProving();
  return {
    check(): void {
      const age = performance.now() - provenAt;
      if (age <= maxStaleness) return;
      throw new ApiError(
        'ServiceUnavailable',
        `for ${Math.round(age / 1000)} s this node could not prove that it has all changes${problem}: try again, or ask another node`,
      );
    },
    async stop(): Promise<void> {
      stopping.abort();
      await proving;
    },
  };
}

function refuseBeyond(position: string): never {
  throw new ApiError(
    'InvalidRequestArguments',
    `the log has not come to the position ${position} in Auth-At-Least: nobody was given it`,
  );
}

function refuseLate(position: string): never {
  throw new ApiError(
    'ServiceUnavailable',
    `this node did not reach the position ${position} in time: try again`,
  );
}

function checkPosition(position: string, start: string): void {
  if (!isPositionOf(position, start)) {
    throw new ApiError(
      'InvalidRequestArguments',
      'Auth-At-Least must be a position of this log, as Auth-Position in an earlier reply gave it',
    );
  }
}
