/** Compares UTF-8 bytes: beyond the basic plane, the order of JavaScript's strings differs. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
