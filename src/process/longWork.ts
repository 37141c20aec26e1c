import type { Logger } from 'pino';
import { ApiError } from '../domain/errors.ts';
import { WorkBudget } from '../domain/workBudget.ts';
import { type TimeSliced } from '../domain/timeSliced.ts';
import { type Allowance, debtAfter, requestsSoFar } from './timeSlicing.ts';

/** Units of work that are done at once, before anybody is asked: what is ready needs no more, as most requests find it. */
const FIRST_SLICE_UNITS = 2000;
/** While requests come, the long work of one caller takes one part in so many of the time, and that of all together more. */
const CALLER_SHARE = 20;
const TOTAL_SHARE = 4;
/** What each may take (ms) beyond that share when there was none for a while. */
const BURST = 50;
/** The longest pause (ms): after urgent work it may be long. */
const MAX_PAUSE = 10_000;
/** A turn may be of several slices of different work, where these are short (ms). */
const MIN_TURN = 1;
/** Bytes of bodies whose work may wait for one caller. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Scopes in long replies that one caller has not taken yet: while they are more, its next long work does not begin. */
const MAX_UNREAD_SCOPES = 1_000_000;
/** Callers that are remembered after their work. */
const MAX_ACCOUNTS = 1000;

/** For whom long work is done: `caller` is whose share of the time it takes, and `bytes` how long the body is that it keeps. */
export type WorkFor = {
  caller: string;
  bytes?: number;
  /**
   * `begun` goes on with a reply, and comes before the caller's `new` work (the default). Others wait for the end of what is
   * `urgent`: it makes no pauses, and the caller's other work waits the longer.
   */
  kind?: 'new' | 'begun' | 'urgent';
};

export type LongWork = ReturnType<typeof makeLongWork>;

type Job = { bytes: number; kind: NonNullable<WorkFor['kind']>; resume(): boolean };
type Account = { allowance: Allowance; readyAt: number; jobs: Job[]; waiting: number; unread: number };

/**
 * Runs computations in slices, in between which others have their turns. What one caller asks for is done one after the other, and
 * the callers take turns, each within a share of the time of its own, so that none can starve another's work, nor short requests.
 */
export function makeLongWork({ log, maxExpansionScopes }: { log: Logger; maxExpansionScopes?: number }) {
  const accounts = new Map<string, Account>();
  const all = { allowance: { left: BURST, at: 0 }, readyAt: 0 };
  let requestsSeen = 0;
  let cancel: (() => void) | undefined;

  /**
   * The result at once where it takes next to no work, else a promise of it. Throws what the computation throws, and
   * TooManyRequests where too much of this caller waits already.
   */
  function run<Result>(
    whom: WorkFor,
    compute: (work: WorkBudget) => TimeSliced<Result>,
  ): Result | Promise<Result> {
    const work = new WorkBudget({ limit: maxExpansionScopes, firstSlice: FIRST_SLICE_UNITS });
    const computation = compute(work);
    const first = computation.next();
    return first.done ? first.value : wait(whom, { computation, work, slices: 1 });
  }

  /** The same of what is not worth trying at once. */
  async function queue<Result>(
    whom: WorkFor,
    compute: (work: WorkBudget) => TimeSliced<Result>,
  ): Promise<Result> {
    const work = new WorkBudget({ limit: maxExpansionScopes });
    return wait(whom, { computation: compute(work), work, slices: 0 });
  }

  function wait<Result>(
    { caller, bytes = 0, kind = 'new' }: WorkFor,
    begun: { computation: TimeSliced<Result>; work: WorkBudget; slices: number },
  ): Promise<Result> {
    const { computation, work } = begun;
    const account = accountOf(caller);
    if (bytes > 0 && account.waiting + bytes > MAX_WAITING_BYTES) {
      // So that it frees what it holds.
      computation.return(undefined as Result);
      throw tooMuchWaiting();
    }
    account.waiting += bytes;
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
      account.jobs.splice(insertionIndex(kind, account.jobs), 0, { bytes, kind, resume });
      scheduleTurn();
    });
  }

  function accountOf(caller: string): Account {
    const known = accounts.get(caller);
    if (known) return known;
    if (accounts.size >= MAX_ACCOUNTS) dropIdle();
    const account = { allowance: { left: BURST, at: 0 }, readyAt: 0, jobs: [], waiting: 0, unread: 0 };
    accounts.set(caller, account);
    return account;
  }

  function dropIdle(): void {
    const full = performance.now() - BURST * CALLER_SHARE;
    for (const [caller, { jobs, unread, allowance }] of accounts)
      if (jobs.length === 0 && unread === 0 && allowance.at < full) accounts.delete(caller);
  }

  /** When the caller's next slice may begin; undefined where none may. */
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
        account.waiting -= job.bytes;
      }
      const resumed = now;
      now = performance.now();
      charge(account, now - resumed, now);
    } while (now - began < MIN_TURN);
    requestsSeen = requestsSoFar();
    scheduleTurn();
  }

  /** Whose turn it is; the others come first next time. */
  function nextReady(now: number): Account | undefined {
    for (const [caller, account] of accounts) {
      if ((readyAt(account) ?? Infinity) > now) continue;
      accounts.delete(caller);
      accounts.set(caller, account);
      return account;
    }
    return undefined;
  }

  /** Pauses come of what was taken too much, and only while there are requests. */
  function charge(account: Account, worked: number, now: number): void {
    const owed = debtAfter(account.allowance, { worked, now, share: CALLER_SHARE, maxPause: MAX_PAUSE });
    const owedByAll = debtAfter(all.allowance, { worked, now, share: TOTAL_SHARE });
    if (requestsSoFar() === requestsSeen) return;
    account.readyAt = now + owed * CALLER_SHARE;
    all.readyAt = now + owedByAll * TOTAL_SHARE;
  }

  return {
    run,
    queue,
    /** Resolves when a caller has paid for its urgent work, before it begins with more. */
    async untilReady(whom: WorkFor): Promise<void> {
      const account = accounts.get(whom.caller);
      if (account && account.readyAt > performance.now()) await queue(whom, nothing);
    },
    /** Notes that work of a caller's took so long (ms) elsewhere: its next, for which it asks `rested`, waits accordingly. */
    charge({ caller }: WorkFor, ms: number): void {
      charge(accountOf(caller), ms, performance.now());
    },
    /** Notes that a caller is sent a reply with so many scopes. What it answers is to be called when the reply was taken, or is not any more. */
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

/** Where in the order of a caller's jobs another one belongs. */
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
