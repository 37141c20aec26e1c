import type { TimeSliced } from '../domain/timeSliced.ts';
import { sizeOfScopes, type WorkBudget } from '../domain/workBudget.ts';

/** A larger scope set (see sizeOfScopes) is serialized in chunks, and its text is not cached. */
const MAX_CACHED_SIZE = 20_000;
/** Characters of JSON text in a chunk. */
export const CHUNK_LENGTH = 64 * 1024;
/** Characters that are serialized in the time of one unit of work. */
const CHARACTERS_PER_UNIT = 64;

const cache = new WeakMap<readonly string[], string>();

/**
 * The JSON text of a scope set, cached for each list: the role-expansion index returns the same list for the same
 * scopes until a role changes. Undefined for a long scope set. Scopes are ASCII, and so is the text.
 */
export function scopesJson(scopes: readonly string[]): string | undefined {
  const known = cache.get(scopes);
  if (known !== undefined) return known;
  if (isLongScopeSet(scopes)) return undefined;
  const text = JSON.stringify(scopes);
  cache.set(scopes, text);
  return text;
}

/** Whether a scope set takes more than some milliseconds to serialize. */
export function isLongScopeSet(scopes: readonly string[]): boolean {
  return scopes.length > MAX_CACHED_SIZE || sizeOfScopes(scopes) > MAX_CACHED_SIZE;
}

/** One chunk of the JSON text of scopes, without brackets, from an index on; `next` is the index of the next chunk. */
export function scopesChunk(scopes: readonly string[], from: number): { text: string; next: number } {
  let length = 0;
  let next = from;
  while (next < scopes.length && length < CHUNK_LENGTH) length += 3 + scopes[next++]!.length;
  return { text: JSON.stringify(scopes.slice(from, next)).slice(1, -1), next };
}

/** Counts the work of serializing a text. Returns whether it is time to yield. */
export function countWriting(text: string, work: WorkBudget): boolean {
  return work.spendUnlimited(1 + text.length / CHARACTERS_PER_UNIT);
}

/** The JSON text of an object whose last property is a scope set, in chunks, computed in slices. */
export function* scopesInJsonChunks(
  { before, scopes, after }: { before: string; scopes: readonly string[]; after: string },
  work: WorkBudget,
): TimeSliced<string[]> {
  const pieces = [before + '['];
  for (let from = 0; from < scopes.length;) {
    const { text, next } = scopesChunk(scopes, from);
    pieces.push(from === 0 ? text : ',' + text);
    from = next;
    if (countWriting(text, work)) yield;
  }
  pieces.push(']' + after);
  return pieces;
}
