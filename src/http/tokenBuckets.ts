import { LRUCache } from 'lru-cache';
import type { Quota } from '../config/rateLimits.ts';
import { detachString } from '../process/detachString.ts';

/** Bytes that a bucket takes in the cache, besides the characters of its key. */
const BUCKET_BYTES = 200;

/** `tokens` were left at time `at` (ms). */
type Bucket = { tokens: number; at: number };

/**
 * Token buckets, one for each key. A bucket holds `quota` tokens and is refilled at one token every `seconds / quota`
 * seconds; a request takes one. The cache (LRU) takes about `maxBytes`; an evicted bucket starts full again. The
 * function returns 0 if it took a token, else after how many seconds (at least 1) there will be one. `now` is a
 * monotonic clock (ms).
 */
export function makeTokenBuckets(
  { quota, seconds }: Quota,
  { maxBytes, now = () => performance.now() }: { maxBytes: number; now?: () => number },
): (key: string) => number {
  const buckets = new LRUCache<string, Bucket>({
    maxSize: maxBytes,
    sizeCalculation: (_, key) => BUCKET_BYTES + key.length,
  });
  const perMs = quota / (1000 * seconds);

  return function take(key) {
    const at = now();
    let bucket = buckets.get(key);
    if (!bucket) buckets.set(detachString(key), (bucket = { tokens: quota, at }));
    bucket.tokens = Math.min(quota, bucket.tokens + (at - bucket.at) * perMs);
    bucket.at = at;
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / perMs / 1000);
    bucket.tokens -= 1;
    return 0;
  };
}
