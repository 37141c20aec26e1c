import { MAX_PAGE_SIZE } from '../../schemas/constants.ts';
import { ApiError } from '../domain/errors.ts';

/**
 * The `limit` of a query, from 1 to 1000; by default 1000, to which larger ones are reduced. Throws
 * InvalidRequestArguments for 0.
 */
export function pageLimit(query: Record<string, string>): number {
  const limit = Math.min(Number(query['limit'] ?? MAX_PAGE_SIZE), MAX_PAGE_SIZE);
  if (limit < 1) throw new ApiError('InvalidRequestArguments', `limit must be from 1 to ${MAX_PAGE_SIZE}`);
  return limit;
}

/** Whether a query asks for a page, for lists that are returned whole by default. */
export function isPaged({ limit, continuationToken }: Record<string, string>): boolean {
  return limit !== undefined || continuationToken !== undefined;
}

/** Encodes the key after which the next page begins as a continuation token. */
export function continuationTokenFor(key: string | undefined): string | undefined {
  return key === undefined ? undefined : Buffer.from(key).toString('base64url');
}

/**
 * Decodes the key in a continuation token. Throws InvalidRequestArguments for a token that this service cannot have
 * made.
 */
export function keyInContinuationToken(token: string | undefined): string | undefined {
  if (token === undefined) return undefined;
  const key = Buffer.from(token, 'base64url').toString();
  return continuationTokenFor(key) === token ? key : invalidContinuationToken();
}

/** Throws InvalidRequestArguments for a continuation token. */
export function invalidContinuationToken(): never {
  throw new ApiError('InvalidRequestArguments', 'continuationToken must be one that an earlier page gave');
}
