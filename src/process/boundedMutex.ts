import { ApiError } from '../domain/errors.ts';
import { keyedMutex } from './keyedMutex.ts';

/**
 * Like `keyedMutex`, with at most `max` jobs of one caller that run or wait. Beyond, it throws TooManyRequests, which says
 * what they are about.
 */
export function boundedMutex({ max, about }: { max: number; about: string }) {
  const runExclusive = keyedMutex();
  const counts = new Map<string, number>();
  return async function run<T>(caller: string, job: () => Promise<T>): Promise<T> {
    const count = counts.get(caller) ?? 0;
    if (count >= max)
      throw new ApiError(
        'TooManyRequests',
        `at most ${max} requests of one caller about ${about} may wait at the same time`,
        { limit: max, retryAfter: 1 },
      );
    counts.set(caller, count + 1);
    try {
      return await runExclusive(caller, job);
    } finally {
      const left = counts.get(caller)! - 1;
      if (left > 0) counts.set(caller, left);
      else counts.delete(caller);
    }
  };
}
