import { timingSafeEqual } from 'node:crypto';

/** Compares secrets in constant time, which leaks nothing but their lengths. */
export function timingSafeTextEqual(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
