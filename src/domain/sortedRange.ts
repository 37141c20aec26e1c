/** Sorts after every character of scopes and ids, which are ASCII. */
const MAX_CODE_UNIT = '\uffff';

/** Where the sorted texts that begin with a prefix are: the index of the first, and that behind the last. */
export function sortedRange(texts: readonly string[], prefix: string): [from: number, to: number] {
  return [lowerBound(texts, prefix), lowerBound(texts, prefix + MAX_CODE_UNIT)];
}

/** The index of the first of sorted texts that does not sort before the given one. */
export function lowerBound(texts: readonly string[], text: string): number {
  let low = 0;
  let high = texts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (texts[middle]! < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
