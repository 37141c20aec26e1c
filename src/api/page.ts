import { MAX_PAGE } from '../../schemas/constants.ts';
import { makeGiveWay } from '../giveWay.ts';
import { ApiError } from '../domain/errors.ts';
import { validateRow } from './validate.ts';

/** The `limit` of a query: at most 1000, which it also is when left out. Throws InvalidRequestArguments for 0. */
export function limitOf(query: Record<string, string>): number {
  const limit = Math.min(Number(query['limit'] ?? MAX_PAGE), MAX_PAGE);
  if (limit < 1) throw new ApiError('InvalidRequestArguments', `limit must be from 1 to ${MAX_PAGE}`);
  return limit;
}

/** Whether a query asks for a page of a list that is else answered as a whole. */
export function isPaged({ limit, continuationToken }: Record<string, string>): boolean {
  return limit !== undefined || continuationToken !== undefined;
}

/** Turns the key after which the next page begins into a continuation token. */
export function tokenFor(key: string | undefined): string | undefined {
  return key === undefined ? undefined : Buffer.from(key).toString('base64url');
}

/** The key in a continuation token. Throws InvalidRequestArguments for one that this service did not make. */
export function keyIn(token: string | undefined): string | undefined {
  if (token === undefined) return undefined;
  const key = Buffer.from(token, 'base64url').toString();
  return tokenFor(key) === token ? key : notOurs();
}

/** Refuses a continuation token. */
export function notOurs(): never {
  throw new ApiError('InvalidRequestArguments', 'continuationToken must be one that an earlier page gave');
}

/** How much text (characters) goes out at once. */
const PIECE = 64 * 1024;

/**
 * A JSON array, or an object that holds one under `name` before the `rest`, in pieces: rows are read as the pieces are taken, so that a
 * list of any length takes little memory. Each row is checked against its schema, as the whole is never in one place.
 */
export async function* piecesOf(
  rows: AsyncIterable<unknown> | Iterable<unknown>,
  { schema, name, rest = {} }: { schema?: string; name?: string; rest?: Record<string, string> },
): AsyncGenerator<string> {
  let text = name === undefined ? '[' : `{${JSON.stringify(name)}:[`;
  let separator = '';
  const giveWay = makeGiveWay('answer');
  for await (const row of rows) {
    if (schema !== undefined) validateRow(schema, row);
    text += separator + JSON.stringify(row);
    separator = ',';
    if (text.length < PIECE) continue;
    yield text;
    text = '';
    await giveWay();
  }
  const end = Object.entries(rest).map(([key, value]) => `,${JSON.stringify(key)}:${JSON.stringify(value)}`);
  yield text + (name === undefined ? ']' : `]${end.join('')}}`);
}
