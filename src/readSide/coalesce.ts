import { setImmediate as yieldToEventLoop } from 'node:timers/promises';

/**
 * Coalesces concurrent calls: at most one call is in progress, and all callers that arrive meanwhile, or in the same
 * turn of the event loop, share the next one. So every result is from a call that began after its caller arrived.
 */
export function coalesce<T>(call: () => Promise<T>): () => Promise<T> {
  let current: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;

  async function callNext(): Promise<T> {
    await current.catch(() => undefined);
    await yieldToEventLoop();
    next = undefined;
    const result = call();
    current = result;
    return result;
  }
  return () => (next ??= callNext());
}
