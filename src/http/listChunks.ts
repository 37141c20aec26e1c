import type { TimeSliced } from '../domain/timeSliced.ts';
import type { WorkBudget } from '../domain/workBudget.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import { aroundExpandedScopes, type ExpandedEntry } from './entryReply.ts';
import { CHUNK_LENGTH, countWriting, isLongScopeSet, scopesInJsonChunks } from './scopesJson.ts';
import { apiValidator } from './validator.ts';

/** Rows that are serialized at a time. */
const BATCH_SIZE = 32;

/** How the rows of a list are serialized, and for which caller. */
export type ListFormat<Row> = {
  /** The JSON value of a row, computed in slices; undefined to omit the row. */
  toJson(row: Row, work: WorkBudget): TimeSliced<unknown>;
  /** The schema that each row is validated against, because the whole list is never in memory. */
  schema?: string;
  /**
   * The property that holds the list in an object, before the properties of `rest`; without it, the list is the whole
   * reply.
   */
  name?: string;
  rest?: Record<string, string>;
  longWork: LongWork;
  owner: WorkFor;
};

/**
 * A JSON array, or an object that holds one, in chunks. Rows are read and serialized as the chunks are consumed, so
 * that a list of any length takes little memory.
 */
export async function* listChunks<Row>(
  rows: AsyncIterable<Row> | Iterable<Row>,
  { toJson, schema, name, rest = {}, longWork, owner: { caller } }: ListFormat<Row>,
): AsyncGenerator<string> {
  const text = new ChunkBuilder(name === undefined ? '[' : `{${JSON.stringify(name)}:[`);
  let separator = '';
  let kind: WorkFor['kind'] = 'new';

  /** Serializes rows, and removes them from the batch, until a chunk is complete. */
  function* write(batch: Row[], work: WorkBudget): TimeSliced<void> {
    while (batch.length > 0 && text.ready.length === 0) {
      const json = yield* toJson(batch.shift()!, work);
      if (json === undefined) continue;
      text.add(separator);
      separator = ',';
      yield* writeRow(json, { schema, text }, work);
    }
  }

  async function* flush(batch: Row[]): AsyncGenerator<string> {
    while (batch.length > 0) {
      await longWork.queue({ caller, kind }, (work) => write(batch, work));
      kind = 'begun';
      const release = longWork.trackReply(caller, text.size);
      try {
        yield* text.ready.splice(0);
      } finally {
        release();
      }
    }
  }

  let batch: Row[] = [];
  for await (const row of rows) {
    if (batch.push(row) < BATCH_SIZE) continue;
    yield* flush(batch);
    batch = [];
  }
  yield* flush(batch);
  const end = Object.entries(rest).map(([key, value]) => `,${JSON.stringify(key)}:${JSON.stringify(value)}`);
  yield text.last + (name === undefined ? ']' : `]${end.join('')}}`);
}

/** Collects text, and cuts it into chunks. */
class ChunkBuilder {
  readonly ready: string[] = [];
  /** The text after the complete chunks. */
  last: string;

  constructor(start: string) {
    this.last = start;
  }

  /** The length of the complete chunks, in scopes of ordinary length (see sizeOfScopes). */
  get size(): number {
    return Math.floor(this.ready.reduce((sum, { length }) => sum + length, 0) / 100);
  }

  add(text: string): void {
    this.last += text;
    if (this.last.length < CHUNK_LENGTH) return;
    this.ready.push(this.last);
    this.last = '';
  }
}

function* writeRow(
  json: unknown,
  { schema, text }: { schema: string | undefined; text: ChunkBuilder },
  work: WorkBudget,
): TimeSliced<void> {
  const { expandedScopes = [], ...rest } = json as Partial<ExpandedEntry>;
  if (!isLongScopeSet(expandedScopes)) {
    if (schema !== undefined) apiValidator.checkOutput(schema, json);
    const row = JSON.stringify(json);
    text.add(row);
    if (countWriting(row, work)) yield;
    return;
  }
  if (schema !== undefined) apiValidator.checkOutput(schema, { ...rest, expandedScopes: [] });
  for (const chunk of yield* scopesInJsonChunks(
    { ...aroundExpandedScopes(rest), scopes: expandedScopes },
    work,
  ))
    text.add(chunk);
}
