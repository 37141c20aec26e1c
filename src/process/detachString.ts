/** A text's own copy, to be remembered: what was cut from a longer one, as an id is from a header, would keep all of that in memory. */
export function detachString(text: string): string {
  return Buffer.from(text).toString();
}
