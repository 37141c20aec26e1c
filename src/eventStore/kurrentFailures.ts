import { setTimeout as sleep } from 'node:timers/promises';
import type { Kurrent, KurrentDBClient } from './openKurrent.ts';
import { StoreUnavailable } from '../storage/storeErrors.ts';

/** How long (ms) a question to the server is asked again before it counts as out of reach. */
const PATIENCE = 3000;
/** How long (ms) the server may be silent before a question counts as lost. */
const SILENCE = 4000;

/** The server did not answer in time. */
class NoAnswer extends Error {}

/**
 * What a failure means: another change came first (`conflict`), the events are larger than the server takes (`too large`), the
 * server cannot have heard of it (`not heard`), it may have heard of it (`unclear`), or it will never do it (`refused`).
 */
export type Failure = 'conflict' | 'too large' | 'not heard' | 'unclear' | 'refused';

/** By the `type` of the client's errors. */
const KINDS: Record<string, Failure> = {
  'wrong-expected-version': 'conflict',
  'append-consistency-violation': 'conflict',
  'maximum-append-size-exceeded': 'too large',
  'append-record-size-exceeded': 'too large',
  'transaction-max-size-exceeded': 'too large',
  'not-leader': 'not heard',
  timeout: 'unclear',
  'deadline-exceeded': 'unclear',
  unavailable: 'unclear',
  cancelled: 'unclear',
  unknown: 'unclear',
};
/** Codes of gRPC for a call that would be refused again: invalid, not permitted, out of range, not implemented. */
const REFUSED = new Set<unknown>([3, 7, 11, 12, 16]);
/** What gRPC says of a call that never left. */
const NEVER_LEFT =
  /No connection established|Name resolution failed|Failed to discover|Channel has been shut down/;

/** What a failure of the client's means. */
export function failureOf(error: unknown): Failure {
  const { message = '', type, code } = error as { message?: string; type?: string; code?: unknown };
  if (NEVER_LEFT.test(message)) return 'not heard';
  if (error instanceof NoAnswer || error instanceof StoreUnavailable) return 'unclear';
  if (type === 'unknown' && REFUSED.has(code)) return 'refused';
  if (type !== undefined) return KINDS[type] ?? 'refused';
  // Errors of gRPC itself, which the client passes on when it asks what the server can do; and a subscription cut short.
  return typeof code === 'number' || code === 'ERR_STREAM_PREMATURE_CLOSE' ? 'unclear' : 'refused';
}

/** Whether a failure is one of the way to the server, or of a server that cannot answer now. */
export function isTrouble(error: unknown): boolean {
  return ['not heard', 'unclear'].includes(failureOf(error));
}

/**
 * Asks the server, again over a new connection while there is trouble with the way to it. Throws StoreUnavailable when
 * that did not help for some seconds; else what the client throws.
 */
export async function reaching<T>(
  kurrent: Kurrent,
  ask: (client: KurrentDBClient) => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  for (let tries = 1; ; tries += 1) {
    const client = kurrent.client();
    try {
      return await ask(client);
    } catch (error) {
      if (!isTrouble(error)) throw error;
      renewAfter(error, { kurrent, client });
      if (kurrent.isClosed() || performance.now() - startedAt > PATIENCE) throw outOfReach(error);
    }
    await sleep(backoff(tries));
  }
}

/** Takes a new connection after trouble with one, unless it goes to the leader that it was told of by itself. */
export function renewAfter(
  error: unknown,
  { kurrent, client }: { kurrent: Kurrent; client: KurrentDBClient },
): void {
  if ((error as { type?: string }).type !== 'not-leader') kurrent.renew(client);
}

export function outOfReach(cause: unknown): StoreUnavailable {
  const { type, name } = cause as { type?: string; name?: string };
  return new StoreUnavailable(`KurrentDB cannot be used right now (${type ?? name})`, { cause });
}

/** How long (ms) to wait before the next try, with some chance in it so that not all come at once. */
export function backoff(tries: number): number {
  return Math.min(2000, 25 * 2 ** Math.min(tries, 10)) * (0.5 + Math.random() / 2);
}

/** What a promise answers. Throws a failure like those of the way to the server when it takes longer (ms). */
export async function answerOf<T>(promise: Promise<T>, within: number = SILENCE): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NoAnswer(`no answer within ${within} ms`)), within);
  });
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}

/** Everything that a reading gives, up to the item that is enough, where it never pauses for longer (ms). */
export async function allOf<T>(
  reading: AsyncIterable<T>,
  { within = SILENCE, isEnough = () => false }: { within?: number; isEnough?(item: T): boolean } = {},
): Promise<T[]> {
  const all: T[] = [];
  const iterator = reading[Symbol.asyncIterator]();
  for (;;) {
    const next = await answerOf(iterator.next(), within);
    if (next.done) return all;
    all.push(next.value);
    if (!isEnough(next.value)) continue;
    await iterator.return?.();
    return all;
  }
}
