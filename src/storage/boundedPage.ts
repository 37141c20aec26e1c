/** Characters of stored text in one page. Parsing them blocks the event loop for some milliseconds. */
export const MAX_PAGE_CHARS = 1024 * 1024;

/** The first rows, at least one, that have at most MAX_PAGE_CHARS together, and whether there are more. */
export function boundedPage<Row>(
  rows: Iterable<Row>,
  sizeOf: (row: Row) => number,
): { page: Row[]; hasMore: boolean } {
  const page: Row[] = [];
  let size = 0;
  for (const row of rows) {
    size += sizeOf(row);
    if (size > MAX_PAGE_CHARS && page.length > 0) return { page, hasMore: true };
    page.push(row);
  }
  return { page, hasMore: false };
}
