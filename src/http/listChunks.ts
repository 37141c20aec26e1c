import type { Sliced, Work } from '../domain/work.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import { aroundExpandedScopes, type ExpandedEntry } from './entryReply.ts';
import { CHUNK_LENGTH, countWriting, isLongScopeSet, scopesInJsonChunks } from './scopesJson.ts';
import { apiValidator } from './validator.ts';

/** Rows that are written at a time. */
const BATCH_SIZE = 32;

/** How the rows of a list are written, and for whom. */
export type ListFormat<Row> = {
  /** What a row looks like, in slices; undefined for one that is left out. */
  toJson(row: Row, work: Work): Sliced<unknown>;
  /** The schema of each row, which is checked against it, as the whole is never in one place. */
  schema?: string;
  /** What the list is called in an object, before the `rest`; the list alone where it is left out. */
  name?: string;
  rest?: Record<string, string>;
  longWork: LongWork;
  owner: WorkFor;
};

/**
 * A JSON array, or an object that holds one, in pieces: rows are read and shown as the pieces are taken, so that a list of any length
 * takes little memory.
 */
export async function* listChunks<Row>(
  rows: AsyncIterable<Row> | Iterable<Row>,
  { toJson: show, schema, name, rest = {}, longWork, owner: { caller } }: ListFormat<Row>,
): AsyncGenerator<string> {
  const text = new ChunkBuilder(name === undefined ? '[' : `{${JSON.stringify(name)}:[`);
  let separator = '';
  let kind: WorkFor['kind'] = 'new';

  /** Writes rows until they make a piece, and takes them off. */
  function* write(batch: Row[], work: Work): Sliced<void> {
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
      const taken = longWork.sending(caller, text.size);
      try {
        yield* text.ready.splice(0);
      } finally {
        taken();
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

/** Text that is put together, and cut into pieces. */
class ChunkBuilder {
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
    if (this.last.length < CHUNK_LENGTH) return;
    this.ready.push(this.last);
    this.last = '';
  }
}

function* writeRow(
  shown: unknown,
  { schema, text }: { schema: string | undefined; text: ChunkBuilder },
  work: Work,
): Sliced<void> {
  const { expandedScopes = [], ...rest } = shown as Partial<ExpandedEntry>;
  if (!isLongScopeSet(expandedScopes)) {
    if (schema !== undefined) apiValidator.checkOutput(schema, shown);
    const row = JSON.stringify(shown);
    text.add(row);
    if (countWriting(row, work)) yield;
    return;
  }
  if (schema !== undefined) apiValidator.checkOutput(schema, { ...rest, expandedScopes: [] });
  for (const piece of yield* scopesInJsonChunks(
    { ...aroundExpandedScopes(rest), scopes: expandedScopes },
    work,
  ))
    text.add(piece);
}
