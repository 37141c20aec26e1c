/** Compares ids in byte order, in which read stores list rows. Ids are ASCII, where it is the order of strings. */
export function compareIds(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
