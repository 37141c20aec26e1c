import { setTimeout as sleep } from 'node:timers/promises';
import type { Kurrent, KurrentDBClient } from './openKurrent.ts';
import { AnswerTimedOut, failureOf, isTransient } from './kurrentFailures.ts';
import type { Operation } from './kurrentOutages.ts';

/** How long (ms) a call is retried before the server counts as unavailable. */
const RETRY_TIMEOUT = 3000;
/** After this many tries, some tenths of a second, it is looked whether others can help. */
const TRIES_BEFORE_DIAGNOSIS = 4;
/** How long (ms) the server may stay silent before a call counts as lost. */
export const ANSWER_TIMEOUT = 4000;

/**
 * Calls the server, and retries over a new connection while the failure is transient. Throws StoreUnavailable, with the
 * cause in its message, if that does not help within 3 s, and earlier if it cannot help, as when the user is refused; any
 * other error is the driver's own.
 */
export async function withRetries<T>(
  kurrent: Kurrent,
  call: (client: KurrentDBClient) => Promise<T>,
  operation: Operation = { kind: 'read a stream' },
): Promise<T> {
  const startedAt = performance.now();
  for (let tries = 1; ; tries += 1) {
    const client = kurrent.client();
    try {
      const answer = await call(client);
      kurrent.outages.worked(operation);
      return answer;
    } catch (error) {
      if (!isTransient(error)) throw error;
      renewConnection(error, { kurrent, client });
      const isOver =
        kurrent.isClosed() ||
        performance.now() - startedAt > RETRY_TIMEOUT ||
        failureOf(error) === 'denied' ||
        (tries === TRIES_BEFORE_DIAGNOSIS && (await kurrent.outages.isHopeless()));
      if (isOver) throw await kurrent.outages.unavailable(error, operation);
    }
    await sleep(backoff(tries));
  }
}

/**
 * Replaces a connection that failed. After `not-leader` the driver connects to the leader by itself, and a user without
 * a right has a connection that works.
 */
export function renewConnection(
  error: unknown,
  { kurrent, client }: { kurrent: Kurrent; client: KurrentDBClient },
): void {
  if ((error as { type?: string }).type !== 'not-leader' && failureOf(error) !== 'denied')
    kurrent.renew(client);
}

/** Exponential backoff with jitter (ms) before the next try. */
export function backoff(tries: number): number {
  return Math.min(2000, 25 * 2 ** Math.min(tries, 10)) * (0.5 + Math.random() / 2);
}

/** The value of a promise. Throws AnswerTimedOut, a transient failure, if it takes longer (ms). */
export function withTimeout<T>(promise: Promise<T>, within: number = ANSWER_TIMEOUT): Promise<T> {
  return settled(promise, { within }) as Promise<T>;
}

/** The value of a promise; undefined if the signal aborts first. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return settled(promise, { signal });
}

/** The value of a promise; undefined if it takes longer (ms). */
export function unlessLate<T>(promise: Promise<T>, within: number): Promise<T | undefined> {
  return settled(promise, { within, isQuiet: true });
}

/**
 * Throws AnswerTimedOut after `within` ms, or is undefined if `isQuiet`, as it is when the signal aborts. Neither the
 * timer nor the listener outlives the wait.
 */
async function settled<T>(
  promise: Promise<T>,
  {
    within,
    isQuiet = false,
    signal,
  }: { within?: number; isQuiet?: boolean; signal?: AbortSignal | undefined },
): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  let stop = (): void => undefined;
  const given = new Promise<undefined>((resolve, reject) => {
    stop = () => resolve(undefined);
    const isLate = (): void =>
      isQuiet ? stop() : reject(new AnswerTimedOut(`no answer within ${within} ms`));
    if (within !== undefined) timer = setTimeout(isLate, within);
  });
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  try {
    return await Promise.race([given, promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

/**
 * The items of a read. It ends when the signal aborts, and throws AnswerTimedOut if the server pauses for longer than
 * `within()` (ms). The next item is requested when the consumer asks for it.
 */
export async function* itemsOf<T>(
  reading: AsyncIterable<T>,
  { within = () => ANSWER_TIMEOUT, signal }: { within?(): number; signal?: AbortSignal } = {},
): AsyncGenerator<T> {
  const iterator = reading[Symbol.asyncIterator]();
  try {
    while (!signal?.aborted) {
      const next = await settled(iterator.next(), { within: within(), signal });
      if (next === undefined || next.done) return;
      yield next.value;
    }
  } finally {
    // Not awaited: while the server is silent, the driver's iterator cannot return.
    iterator.return?.().catch(() => undefined);
  }
}

/** The items of a read, up to the first that `isEnough`. Throws AnswerTimedOut as `itemsOf` does. */
export async function collect<T>(
  reading: AsyncIterable<T>,
  { within = ANSWER_TIMEOUT, isEnough = () => false }: { within?: number; isEnough?(item: T): boolean } = {},
): Promise<T[]> {
  const items: T[] = [];
  for await (const item of itemsOf(reading, { within: () => within })) {
    items.push(item);
    if (isEnough(item)) break;
  }
  return items;
}

/** Whether the user may read a stream. If the server answers otherwise, or not at all, that is taken as a yes. */
export async function canReadStream(kurrent: Kurrent, stream: string): Promise<boolean> {
  try {
    await collect(kurrent.client().readStream(stream, { maxCount: 1 }));
    return true;
  } catch (error) {
    return failureOf(error) !== 'denied';
  }
}
