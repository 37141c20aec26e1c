import { invalidContinuationToken } from '../../http/pagination.ts';

/** Encodes where a page ended as a continuation token. */
export function encodeCursor(cursor: object): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

/**
 * Decodes a continuation token, which anybody may have made. Throws InvalidRequestArguments for one whose content is not
 * of the kind that `isCursor` checks.
 */
export function decodeCursor<Cursor>(
  token: string | undefined,
  isCursor: (value: object) => value is Cursor & object,
): Cursor | undefined {
  if (token === undefined) return undefined;
  try {
    const text = Buffer.from(token, 'base64url').toString();
    if (Buffer.from(text).toString('base64url') !== token) return invalidContinuationToken();
    const cursor = JSON.parse(text) as unknown;
    if (typeof cursor === 'object' && cursor !== null && isCursor(cursor)) return cursor;
  } catch {
    // Refused below.
  }
  return invalidContinuationToken();
}
