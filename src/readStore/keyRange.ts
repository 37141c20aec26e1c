import { compareBytes } from './compareBytes.ts';
import type { Page } from './readStore.ts';

/** Sorts after every other character in UTF-8. */
const MAX_CHARACTER = '\u{10FFFF}';

/** The keys from `from` on, which is itself left out if `isAfter`, up to but without `before`. */
export type KeyRange = { from: string; isAfter: boolean; before: string };

/** Where the keys of a page are, in byte order: the prefix as a range, cut at the key to continue with. */
export function keyRange({ prefix = '', after, before }: Page): KeyRange {
  const end = prefix + MAX_CHARACTER;
  const isAfter = after !== undefined && compareBytes(after, prefix) >= 0;
  const isBefore = before !== undefined && compareBytes(before, end) < 0;
  return { from: isAfter ? after : prefix, isAfter, before: isBefore ? before : end };
}
