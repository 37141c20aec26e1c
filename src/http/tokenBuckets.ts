import { RecentlyUsed } from '../domain/recentlyUsed.ts';
import type { Quota } from '../config/rateLimits.ts';
import { detachString } from '../process/detachString.ts';

/** Bytes that a bucket takes, with what holds it, beside the characters of its key. */
const BUCKET_BYTES = 200;

/** `tokens` were left at the time `at` (ms). */
type Bucket = { tokens: number; at: number };

/**
 * Token buckets, one for each key: each holds `quota` tokens, gets one back every `seconds / quota` seconds, and a request takes one.
 * Those used last are kept, in about `mostBytes`; whoever's was forgotten has a full one. Answers in how many seconds (at least 1)
 * there is a token again; 0 where one was taken. `now` is a monotonic clock (ms).
 */
export function makeTokenBuckets(
  { quota, seconds }: Quota,
  { mostBytes, now = () => performance.now() }: { mostBytes: number; now?: () => number },
): (key: string) => number {
  const buckets = new RecentlyUsed<Bucket>(mostBytes, (key) => BUCKET_BYTES + key.length);
  const perMs = quota / (1000 * seconds);

  return function take(caller) {
    const key = detachString(caller);
    const at = now();
    let bucket = buckets.get(key);
    if (!bucket) buckets.set(key, (bucket = { tokens: quota, at }));
    bucket.tokens = Math.min(quota, bucket.tokens + (at - bucket.at) * perMs);
    bucket.at = at;
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / perMs / 1000);
    bucket.tokens -= 1;
    return 0;
  };
}
