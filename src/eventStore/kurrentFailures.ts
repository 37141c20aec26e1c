import { StoreUnavailable } from '../storage/storeErrors.ts';

/** The server did not answer in time. */
export class AnswerTimedOut extends Error {}

/** The server refused the user, or what the user asked for. Nothing happened; who runs the service has to act. */
export class AccessDenied extends StoreUnavailable {}

/**
 * What a failed call means: another change came first (`conflict`), the events are larger than the server accepts (`too
 * large`), the call cannot have reached the server (`not sent`), it may have reached it (`unclear`), the user may not make
 * it (`denied`), or the server will never accept it (`refused`).
 */
export type Failure = 'conflict' | 'too large' | 'not sent' | 'unclear' | 'denied' | 'refused';

/** By the `type` of the driver's errors. */
const FAILURE_BY_TYPE: Record<string, Failure> = {
  'wrong-expected-version': 'conflict',
  'append-consistency-violation': 'conflict',
  'maximum-append-size-exceeded': 'too large',
  'append-record-size-exceeded': 'too large',
  'transaction-max-size-exceeded': 'too large',
  'not-leader': 'not sent',
  'access-denied': 'denied',
  timeout: 'unclear',
  'deadline-exceeded': 'unclear',
  unavailable: 'unclear',
  cancelled: 'unclear',
  unknown: 'unclear',
};
/** gRPC status codes: the user may not do this, or is unknown. */
const DENIED_CODES = new Set<unknown>([7, 16]);
/** gRPC status codes of a call that would be refused again: invalid, out of range, not implemented. */
const REFUSED_CODES = new Set<unknown>([3, 11, 12]);
/** gRPC's messages about a call that was never sent. */
const NOT_SENT =
  /No connection established|Name resolution failed|Failed to discover|Channel has been shut down/;

/** Classifies an error of the driver. */
export function failureOf(error: unknown): Failure {
  const { message = '', type, code } = error as { message?: string; type?: string; code?: unknown };
  if (NOT_SENT.test(message)) return 'not sent';
  if (error instanceof AccessDenied || DENIED_CODES.has(code)) return 'denied';
  if (error instanceof AnswerTimedOut || error instanceof StoreUnavailable) return 'unclear';
  if (type === 'unknown' && REFUSED_CODES.has(code)) return 'refused';
  if (type !== undefined) return FAILURE_BY_TYPE[type] ?? 'refused';
  // Errors of gRPC itself, which the driver passes on when it asks for the server's features; and a broken
  // subscription.
  return typeof code === 'number' || code === 'ERR_STREAM_PREMATURE_CLOSE' ? 'unclear' : 'refused';
}

/**
 * Whether the connection failed, the server cannot answer now or the user lacks a right, so that a later try may
 * succeed.
 */
export function isTransient(error: unknown): boolean {
  return ['not sent', 'unclear', 'denied'].includes(failureOf(error));
}
