import { setImmediate as yieldToEventLoop } from 'node:timers/promises';

/**
 * Makes one question of those that many ask: at most one is under way, and all who ask meanwhile, or in the same turn of the loop,
 * share the next. So no answer is older than the question.
 */
export function coalesce<T>(ask: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;

  async function askNext(): Promise<T> {
    await running.catch(() => undefined);
    await yieldToEventLoop();
    next = undefined;
    const asked = ask();
    running = asked;
    return asked;
  }
  return () => (next ??= askNext());
}
