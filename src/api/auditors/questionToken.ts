import { createHash } from 'node:crypto';
import { invalidContinuationToken, textInToken } from '../../http/pagination.ts';
import { refuseArguments } from '../../domain/errors.ts';

/** A continuation token: where a page ended, and which question it answered. It goes with no other question. */
export function questionToken(question: object, cursor: object): string {
  return Buffer.from(JSON.stringify({ asked: digestOf(question), cursor })).toString('base64url');
}

/**
 * Where the page before ended; undefined without a token, which anybody may have made. Throws InvalidRequestArguments for
 * one whose cursor is not of the kind that `isCursor` checks, and for one of another question.
 */
export function cursorInToken<Cursor extends object>(
  token: string | undefined,
  question: object,
  isCursor: (value: Partial<Cursor>) => boolean,
): Cursor | undefined {
  if (token === undefined) return undefined;
  const { asked, cursor } = contentOf(token);
  if (typeof cursor !== 'object' || cursor === null || !isCursor(cursor)) invalidContinuationToken();
  if (asked !== digestOf(question))
    refuseArguments(
      'this continuationToken goes with the question of the page that gave it: only limit may differ',
    );
  return cursor as Cursor;
}

function contentOf(token: string): { asked?: unknown; cursor?: unknown } {
  const text = textInToken(token);
  try {
    return (JSON.parse(text) as object | null) ?? {};
  } catch {
    return invalidContinuationToken();
  }
}

function digestOf(question: object): string {
  return createHash('sha256').update(JSON.stringify(question)).digest('base64url');
}
