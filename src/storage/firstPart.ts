/** Characters of stored text that are read at a time: parsing them takes some milliseconds, in which nobody else has a turn. */
export const PART_SIZE = 1024 * 1024;

/** The first rows, at least one, that have at most PART_SIZE together, and whether there are more. */
export function firstPart<Row>(
  rows: Iterable<Row>,
  sizeOf: (row: Row) => number,
): { part: Row[]; isCut: boolean } {
  const part: Row[] = [];
  let size = 0;
  for (const row of rows) {
    size += sizeOf(row);
    if (size > PART_SIZE && part.length > 0) return { part, isCut: true };
    part.push(row);
  }
  return { part, isCut: false };
}
