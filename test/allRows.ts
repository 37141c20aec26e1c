import type { Event } from '../src/event.ts';
import { type Projection, tableOf } from '../src/projection.ts';
import type { ReadStore, StoredRow } from '../src/readStore/readStore.ts';

/** All rows of a table, in the order of their keys. */
export async function allRows(
  readStore: Pick<ReadStore, 'list'>,
  table: string,
): Promise<StoredRow<unknown>[]> {
  const all: StoredRow<unknown>[] = [];
  let after: string | undefined;
  do {
    const { rows, last } = await readStore.list(table, { after, limit: 1000 });
    all.push(...rows);
    after = last;
  } while (after !== undefined);
  return all;
}

/**
 * All rows of projections' tables, as a rebuild must make them. Where all events make the same of a row, it has the
 * position of any of them.
 */
export function rowsOf(
  readStore: Pick<ReadStore, 'list'>,
  projections: readonly Projection<object, Event>[],
): Promise<object[][]> {
  return Promise.all(
    projections.map(async (projection) => {
      const rows = await allRows(readStore, tableOf(projection));
      return projection.hasConstantRows ? rows.map(({ key, value }) => ({ key, value })) : rows;
    }),
  );
}
