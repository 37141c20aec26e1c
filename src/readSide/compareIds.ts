/** The order of the bytes of two ids, which read stores list in. Ids are ASCII, where it is the order of the text itself. */
export function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
