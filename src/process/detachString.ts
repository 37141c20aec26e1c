/**
 * A copy of a string for long-term use. V8 keeps the whole parent string of a substring in memory, for example the
 * header from which an id was cut.
 */
export function detachString(text: string): string {
  return Buffer.from(text).toString();
}
