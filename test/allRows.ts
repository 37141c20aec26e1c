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
