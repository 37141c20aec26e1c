import { MAX_PAGE_SIZE } from '../../schemas/constants.ts';
import { refuseArguments } from '../domain/errors.ts';
import type { Position } from '../event.ts';

/**
 * The `limit` of a query, at least 1; by default 1000, to which larger ones are reduced. Throws InvalidRequestArguments
 * for 0.
 */
export function pageLimit(query: Record<string, string>): number {
  const limit = Math.min(Number(query['limit'] ?? MAX_PAGE_SIZE), MAX_PAGE_SIZE);
  if (limit < 1) refuseArguments('limit must be at least 1');
  return limit;
}

/** Whether a query asks for a page, for lists that are returned whole by default. */
export function isPaged({ limit, continuationToken }: Record<string, string>): boolean {
  return limit !== undefined || continuationToken !== undefined;
}

/** The moment that the pages of a list keep to: its position, and the parameter `at` that named it. */
export type PagedMoment = { position: Position; at: string };

/**
 * Encodes the key after which the next page begins as a continuation token, with the moment that the pages keep to. No
 * key contains a line feed.
 */
export function continuationTokenFor(key: string | undefined, moment?: PagedMoment): string | undefined {
  if (key === undefined) return undefined;
  const text = moment ? [moment.position, moment.at, key].join('\n') : key;
  return Buffer.from(text).toString('base64url');
}

/**
 * Decodes the key in a continuation token. Throws InvalidRequestArguments for a token that this service cannot have
 * made.
 */
export function keyInContinuationToken(token: string | undefined): string | undefined {
  const { key, moment } = pageStart(token);
  return moment ? invalidContinuationToken() : key;
}

/**
 * Decodes the key and the moment in a continuation token; neither without a token. Throws InvalidRequestArguments for a
 * token that this service cannot have made.
 */
export function pageStart(token: string | undefined): { key?: string; moment?: PagedMoment } {
  if (token === undefined) return {};
  const parts = textInToken(token).split('\n');
  if (parts.length !== 1 && parts.length !== 3) invalidContinuationToken();
  if (parts.length === 1) return { key: parts[0]! };
  const [position, at, key] = parts as [Position, string, string];
  return { key, moment: { position, at } };
}

/** The text in a continuation token. Throws InvalidRequestArguments for one that is not base64url as we write it. */
export function textInToken(token: string): string {
  const text = Buffer.from(token, 'base64url').toString();
  return Buffer.from(text).toString('base64url') === token ? text : invalidContinuationToken();
}

/** Throws InvalidRequestArguments for a continuation token. */
export function invalidContinuationToken(): never {
  refuseArguments('continuationToken must be one that an earlier page gave');
}
