/**
 * Whether other languages can read a text: it is well-formed Unicode, without lone surrogates, and contains no NUL.
 * JSON can escape both, but most parsers and databases refuse them.
 */
export function isWellFormed(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

/** The text with each lone surrogate and each NUL replaced by U+FFFD. */
export function toWellFormed(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}
