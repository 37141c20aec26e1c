import type { Logger } from 'pino';
import { ApiError } from '../domain/errors.ts';
import { WorkBudget } from '../domain/workBudget.ts';
import { type TimeSliced } from '../domain/timeSliced.ts';
import { type Allowance, debtAfter, requestsSoFar } from './timeSlicing.ts';

/**
 * Units of work that are done synchronously before a computation is queued. Most requests find cached results and need
 * no more.
 */
const FIRST_SLICE_UNITS = 2000;
/**
 * While requests arrive, one caller's long work gets 1/CALLER_SHARE of the time, and that of all callers 1/TOTAL_SHARE.
 */
const CALLER_SHARE = 20;
const TOTAL_SHARE = 4;
/** How much time (ms) each may take beyond that share after a while without long work. */
const BURST = 50;
/** The longest pause (ms) that a caller's debt can cause. Urgent work can cause long ones. */
const MAX_PAUSE = 10_000;
/** A turn of the event loop is filled with short slices up to this time (ms). */
const MIN_TURN = 1;
/** Bytes of request bodies whose work may be queued for one caller. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/**
 * Back-pressure: while a caller has not read more scopes than this of its long replies, its new long work does not
 * start.
 */
const MAX_UNREAD_SCOPES = 1_000_000;
/** How many callers' accounts are kept before idle ones are evicted. */
const MAX_ACCOUNTS = 1000;

/**
 * For whom long work is done: `caller` is whose share of the time it takes, `bytes` the size of the body that it
 * keeps, `arrived` how many requests had arrived by then, its own among them.
 */
export type WorkFor = {
  caller: string;
  bytes?: number;
  arrived?: number;
  /**
   * `begun` continues a reply and runs before the caller's `new` work (the default). `urgent` is work that other
   * requests wait for: it makes no pauses, and the caller's other work waits longer instead.
   */
  kind?: 'new' | 'begun' | 'urgent';
};

export type LongWork = ReturnType<typeof makeLongWork>;

type Job = { bytes: number; arrived: number; kind: NonNullable<WorkFor['kind']>; resume(): boolean };
type Account = { allowance: Allowance; readyAt: number; jobs: Job[]; queuedBytes: number; unread: number };

/**
 * A fair scheduler for time-sliced computations. One caller's computations run one after the other; the callers take
 * turns (round-robin), each within its own share of the time, so that none can starve another's work, nor short
 * requests.
 */
export function makeLongWork({ log, maxExpansionScopes }: { log: Logger; maxExpansionScopes?: number }) {
  const accounts = new Map<string, Account>();
  const all = { allowance: { left: BURST, at: 0 }, readyAt: 0 };
  let requestsSeen = 0;
  let cancel: (() => void) | undefined;

  /**
   * The result if its computation fits into a first short slice, else a promise of it. Throws what the computation
   * throws, and TooManyRequests if too many bytes of this caller are queued.
   */
  function run<Result>(
    workFor: WorkFor,
    compute: (work: WorkBudget) => TimeSliced<Result>,
  ): Result | Promise<Result> {
    const work = new WorkBudget({ limit: maxExpansionScopes, firstSlice: FIRST_SLICE_UNITS });
    const computation = compute(work);
    const first = computation.next();
    return first.done ? first.value : wait(workFor, { computation, work, slices: 1 });
  }

  /** Like `run`, without trying to compute it synchronously first. */
  async function queue<Result>(
    workFor: WorkFor,
    compute: (work: WorkBudget) => TimeSliced<Result>,
  ): Promise<Result> {
    const work = new WorkBudget({ limit: maxExpansionScopes });
    return wait(workFor, { computation: compute(work), work, slices: 0 });
  }

  function wait<Result>(
    { caller, bytes = 0, arrived = 0, kind = 'new' }: WorkFor,
    begun: { computation: TimeSliced<Result>; work: WorkBudget; slices: number },
  ): Promise<Result> {
    const { computation, work } = begun;
    const account = accountOf(caller);
    if (bytes > 0 && account.queuedBytes + bytes > MAX_WAITING_BYTES) {
      // Ends the generator, so that its `finally` blocks run.
      computation.return(undefined as Result);
      throw tooMuchWaiting();
    }
    account.queuedBytes += bytes;
    return new Promise((resolve, reject) => {
      function resume(): boolean {
        begun.slices += 1;
        try {
          const step = computation.next();
          if (!step.done) return false;
          resolve(step.value);
        } catch (error) {
          reject(error as Error);
        }
        const { units, longestSlice } = work;
        log.debug({ caller, units, slices: begun.slices, longestSlice }, 'long work');
        return true;
      }
      account.jobs.splice(insertionIndex(kind, account.jobs), 0, { bytes, arrived, kind, resume });
      scheduleTurn();
    });
  }

  function accountOf(caller: string): Account {
    const known = accounts.get(caller);
    if (known) return known;
    if (accounts.size >= MAX_ACCOUNTS) dropIdle();
    const account = { allowance: { left: BURST, at: 0 }, readyAt: 0, jobs: [], queuedBytes: 0, unread: 0 };
    accounts.set(caller, account);
    return account;
  }

  function dropIdle(): void {
    const full = performance.now() - BURST * CALLER_SHARE;
    for (const [caller, { jobs, unread, allowance }] of accounts)
      if (jobs.length === 0 && unread === 0 && allowance.at < full) accounts.delete(caller);
  }

  /** When the caller's next slice may start; undefined if it has none, or back-pressure holds it. */
  function readyAt({ jobs: [next], unread, readyAt: at }: Account): number | undefined {
    if (!next || (next.kind === 'new' && unread > MAX_UNREAD_SCOPES)) return undefined;
    return next.kind === 'urgent' ? 0 : Math.max(at, all.readyAt);
  }

  function scheduleTurn(): void {
    cancel?.();
    cancel = undefined;
    let earliest = Infinity;
    for (const account of accounts.values()) earliest = Math.min(earliest, readyAt(account) ?? Infinity);
    if (earliest === Infinity) return;
    const pause = earliest - performance.now();
    if (pause > 0) {
      const timer = setTimeout(takeTurn, pause);
      cancel = () => clearTimeout(timer);
    } else {
      const turn = setImmediate(takeTurn);
      cancel = () => clearImmediate(turn);
    }
  }

  function takeTurn(): void {
    const began = performance.now();
    let now = began;
    do {
      const account = nextReady(now);
      if (!account) break;
      const job = account.jobs[0]!;
      if (job.resume()) {
        account.jobs.splice(account.jobs.indexOf(job), 1);
        account.queuedBytes -= job.bytes;
      }
      const resumed = now;
      now = performance.now();
      charge(account, { worked: now - resumed, now, arrived: job.arrived });
    } while (now - began < MIN_TURN);
    requestsSeen = requestsSoFar();
    scheduleTurn();
  }

  /** The next caller whose turn it is; it is moved to the end of the round. */
  function nextReady(now: number): Account | undefined {
    for (const [caller, account] of accounts) {
      if ((readyAt(account) ?? Infinity) > now) continue;
      accounts.delete(caller);
      accounts.set(caller, account);
      return account;
    }
    return undefined;
  }

  /** Charges time to a caller. A debt causes pauses, but only while requests arrive after that which the work is for. */
  function charge(
    account: Account,
    { worked, now, arrived = 0 }: { worked: number; now: number; arrived?: number },
  ): void {
    const debt = debtAfter(account.allowance, { worked, now, share: CALLER_SHARE, maxPause: MAX_PAUSE });
    const totalDebt = debtAfter(all.allowance, { worked, now, share: TOTAL_SHARE });
    if (requestsSoFar() <= Math.max(requestsSeen, arrived)) return;
    account.readyAt = now + debt * CALLER_SHARE;
    all.readyAt = now + totalDebt * TOTAL_SHARE;
  }

  return {
    run,
    queue,
    /** Resolves when a caller's debt, for example of urgent work, has been paid off. */
    async untilReady(workFor: WorkFor): Promise<void> {
      const account = accounts.get(workFor.caller);
      if (account && account.readyAt > performance.now()) await queue(workFor, nothing);
    },
    /** Charges time (ms) that was spent on a caller's work elsewhere. Its next `untilReady` waits accordingly. */
    charge({ caller, arrived }: WorkFor, ms: number): void {
      charge(accountOf(caller), { worked: ms, now: performance.now(), arrived });
    },
    /**
     * Notes that a caller is sent a reply with so many scopes. Call the returned function when it was read, or aborted.
     */
    trackReply(caller: string, scopes: number): () => void {
      const account = accountOf(caller);
      account.unread += scopes;
      return () => {
        account.unread -= scopes;
        scheduleTurn();
      };
    },
  };
}

function* nothing(): TimeSliced<void> {}

/** The index in a caller's queue at which a job is inserted. */
function insertionIndex(kind: Job['kind'], jobs: readonly Job[]): number {
  if (kind === 'urgent') return 0;
  const firstNew = kind === 'begun' ? jobs.findIndex((job) => job.kind === 'new') : -1;
  return firstNew < 0 ? jobs.length : firstNew;
}

function tooMuchWaiting(): ApiError {
  return new ApiError(
    'TooManyRequests',
    `too much long work of this caller waits already: at most ${MAX_WAITING_BYTES} bytes of requests may`,
    { limit: MAX_WAITING_BYTES, retryAfter: 1 },
  );
}
