import { sizeOfScopes, type Sliced, type Work } from '../domain/work.ts';

/** A set of more scopes (see sizeOfScopes) is written piece by piece, and its text is not kept. */
const MAX_CACHED_SIZE = 20_000;
/** Characters of JSON text in a piece. */
export const CHUNK_LENGTH = 64 * 1024;
/** Characters that are written in the time of one unit of work. */
const CHARACTERS_PER_UNIT = 64;

const cache = new WeakMap<readonly string[], string>();

/**
 * The JSON text of a scope set that is not long, made once for each list: the role-expansion index answers the same question with
 * the same list until something in it changes. Undefined for one that is long. Scopes are ASCII, and so is the text.
 */
export function scopesJson(scopes: readonly string[]): string | undefined {
  const known = cache.get(scopes);
  if (known !== undefined) return known;
  if (isLongScopeSet(scopes)) return undefined;
  const text = JSON.stringify(scopes);
  cache.set(scopes, text);
  return text;
}

/** Whether a scope set takes more than some milliseconds to be written. */
export function isLongScopeSet(scopes: readonly string[]): boolean {
  return scopes.length > MAX_CACHED_SIZE || sizeOfScopes(scopes) > MAX_CACHED_SIZE;
}

/** The JSON text of scopes from an index on, as much of it as makes a piece: without brackets, and with the index that comes next. */
export function scopesChunk(scopes: readonly string[], from: number): { text: string; next: number } {
  let length = 0;
  let next = from;
  while (next < scopes.length && length < CHUNK_LENGTH) length += 3 + scopes[next++]!.length;
  return { text: JSON.stringify(scopes.slice(from, next)).slice(1, -1), next };
}

/** Notes that text was made. Answers whether it is time to yield. */
export function countWriting(text: string, work: Work): boolean {
  return work.pass(1 + text.length / CHARACTERS_PER_UNIT);
}

/** The JSON text of an object with a scope set in it, which comes last, in pieces, made in slices. */
export function* scopesInJsonChunks(
  { before, scopes, after }: { before: string; scopes: readonly string[]; after: string },
  work: Work,
): Sliced<string[]> {
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
