/**
 * Whether other languages can read a text: it is well-formed Unicode, without half of a surrogate pair, and holds no NUL. In
 * JSON both can be escaped, but most parsers and databases refuse them then.
 */
export function isWellFormed(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/** The text with U+FFFD in the place of each half of a surrogate pair, and of each NUL. */
export function toWellFormed(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}
