import { MAX_PAGE_SIZE } from '../../schemas/constants.ts';
import { ApiError } from '../domain/errors.ts';
import type { WorkBudget } from '../domain/workBudget.ts';
import type { TimeSliced } from '../domain/timeSliced.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import { around, type ExpandedEntry } from './expandedEntry.ts';
import { isLong, PIECE, piecesAround, wrote } from './scopesText.ts';
import { apiValidator } from './validate.ts';

/** The `limit` of a query: at most 1000, which it also is when left out. Throws InvalidRequestArguments for 0. */
export function limitOf(query: Record<string, string>): number {
  const limit = Math.min(Number(query['limit'] ?? MAX_PAGE_SIZE), MAX_PAGE_SIZE);
  if (limit < 1) throw new ApiError('InvalidRequestArguments', `limit must be from 1 to ${MAX_PAGE_SIZE}`);
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

/** Rows that are written at a time. */
const AT_A_TIME = 32;

/** How the rows of a list are written, and for whom. */
export type Listing<Row> = {
  /** What a row looks like, in slices; undefined for one that is left out. */
  show(row: Row, work: WorkBudget): TimeSliced<unknown>;
  /** The schema of each row, which is checked against it, as the whole is never in one place. */
  schema?: string;
  /** What the list is called in an object, before the `rest`; the list alone where it is left out. */
  name?: string;
  rest?: Record<string, string>;
  longWork: LongWork;
  whom: WorkFor;
};

/**
 * A JSON array, or an object that holds one, in pieces: rows are read and shown as the pieces are taken, so that a list of any length
 * takes little memory.
 */
export async function* piecesOf<Row>(
  rows: AsyncIterable<Row> | Iterable<Row>,
  { show, schema, name, rest = {}, longWork, whom: { caller } }: Listing<Row>,
): AsyncGenerator<string> {
  const text = new Pieces(name === undefined ? '[' : `{${JSON.stringify(name)}:[`);
  let separator = '';
  let kind: WorkFor['kind'] = 'new';

  /** Writes rows until they make a piece, and takes them off. */
  function* write(batch: Row[], work: WorkBudget): TimeSliced<void> {
    while (batch.length > 0 && text.ready.length === 0) {
      const shown = yield* show(batch.shift()!, work);
      if (shown === undefined) continue;
      text.add(separator);
      separator = ',';
      yield* writeRow(shown, { schema, text }, work);
    }
  }

  async function* flush(batch: Row[]): AsyncGenerator<string> {
    while (batch.length > 0) {
      await longWork.queue({ caller, kind }, (work) => write(batch, work));
      kind = 'begun';
      const taken = longWork.trackReply(caller, text.size);
      try {
        yield* text.ready.splice(0);
      } finally {
        taken();
      }
    }
  }

  let batch: Row[] = [];
  for await (const row of rows) {
    if (batch.push(row) < AT_A_TIME) continue;
    yield* flush(batch);
    batch = [];
  }
  yield* flush(batch);
  const end = Object.entries(rest).map(([key, value]) => `,${JSON.stringify(key)}:${JSON.stringify(value)}`);
  yield text.last + (name === undefined ? ']' : `]${end.join('')}}`);
}

/** Text that is put together, and cut into pieces. */
class Pieces {
  readonly ready: string[] = [];
  last: string;

  constructor(start: string) {
    this.last = start;
  }

  /** About how many scopes of ordinary length would be as long. */
  get size(): number {
    return Math.floor(this.ready.reduce((sum, { length }) => sum + length, 0) / 100);
  }

  add(text: string): void {
    this.last += text;
    if (this.last.length < PIECE) return;
    this.ready.push(this.last);
    this.last = '';
  }
}

function* writeRow(
  shown: unknown,
  { schema, text }: { schema: string | undefined; text: Pieces },
  work: WorkBudget,
): TimeSliced<void> {
  const { expandedScopes = [], ...rest } = shown as Partial<ExpandedEntry>;
  if (!isLong(expandedScopes)) {
    if (schema !== undefined) apiValidator.checkOutput(schema, shown);
    const row = JSON.stringify(shown);
    text.add(row);
    if (wrote(row, work)) yield;
    return;
  }
  if (schema !== undefined) apiValidator.checkOutput(schema, { ...rest, expandedScopes: [] });
  for (const piece of yield* piecesAround({ ...around(rest), scopes: expandedScopes }, work)) text.add(piece);
}
