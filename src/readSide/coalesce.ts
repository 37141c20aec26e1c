import { setImmediate as turnOfTheLoop } from 'node:timers/promises';

/**
 * Makes one question of those that many ask: at most one is under way, and all who ask meanwhile, or in the same turn of the loop,
 * share the next. So no answer is older than the question.
 */
export function coalesce<T>(ask: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;

  async function askNext(): Promise<T> {
    await underWay.catch(() => undefined);
    await turnOfTheLoop();
    next = undefined;
    const asked = ask();
    underWay = asked;
    return asked;
  }
  return () => (next ??= askNext());
}
