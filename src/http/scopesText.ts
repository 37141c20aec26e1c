import { sizeOfScopes, type WorkBudget } from '../domain/workBudget.ts';
import type { TimeSliced } from '../domain/timeSliced.ts';

/** A set of more scopes (see sizeOfScopes) is written piece by piece, and its text is not kept. */
const LONG = 20_000;
/** Characters of JSON text in a piece. */
export const PIECE = 64 * 1024;
/** Characters that are written in the time of one unit of work. */
const WRITTEN_IN_ONE = 64;

const texts = new WeakMap<readonly string[], string>();

/**
 * The JSON text of a scope set that is not long, made once for each list: the role-expansion index answers the same question with
 * the same list until something in it changes. Undefined for one that is long. Scopes are ASCII, and so is the text.
 */
export function scopesText(scopes: readonly string[]): string | undefined {
  const known = texts.get(scopes);
  if (known !== undefined) return known;
  if (isLong(scopes)) return undefined;
  const text = JSON.stringify(scopes);
  texts.set(scopes, text);
  return text;
}

/** Whether a scope set takes more than some milliseconds to be written. */
export function isLong(scopes: readonly string[]): boolean {
  return scopes.length > LONG || sizeOfScopes(scopes) > LONG;
}

/** The JSON text of scopes from an index on, as much of it as makes a piece: without brackets, and with the index that comes next. */
export function pieceOfScopes(scopes: readonly string[], from: number): { text: string; next: number } {
  let length = 0;
  let next = from;
  while (next < scopes.length && length < PIECE) length += 3 + scopes[next++]!.length;
  return { text: JSON.stringify(scopes.slice(from, next)).slice(1, -1), next };
}

/** Notes that text was made. Answers whether it is time to yield. */
export function wrote(text: string, work: WorkBudget): boolean {
  return work.spendUnlimited(1 + text.length / WRITTEN_IN_ONE);
}

/** The JSON text of an object with a scope set in it, which comes last, in pieces, made in slices. */
export function* piecesAround(
  { before, scopes, after }: { before: string; scopes: readonly string[]; after: string },
  work: WorkBudget,
): TimeSliced<string[]> {
  const pieces = [before + '['];
  for (let from = 0; from < scopes.length;) {
    const { text, next } = pieceOfScopes(scopes, from);
    pieces.push(from === 0 ? text : ',' + text);
    from = next;
    if (wrote(text, work)) yield;
  }
  pieces.push(']' + after);
  return pieces;
}
