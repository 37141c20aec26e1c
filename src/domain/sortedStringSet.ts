import { lowerBound, sortedRange } from './sortedRange.ts';

/**
 * A set of strings, sorted by code units. Finds those with a common prefix, and the prefixes of a string, by binary
 * search.
 */
export class SortedStringSet {
  /** Sorted lists, the longest first. Adding many at once adds a list, and looking anything up merges them all. */
  #lists: string[][] = [[]];

  get #texts(): string[] {
    while (this.#lists.length > 1) this.#mergeLastTwo();
    return this.#lists[0]!;
  }

  add(text: string): void {
    const at = this.#lowerBound(text);
    if (this.#texts[at] !== text) this.#texts.splice(at, 0, text);
  }

  /** Adds many at once, which is faster than one by one. */
  addAll(texts: readonly string[]): void {
    if (texts.length < MIN_BULK) return texts.forEach((text) => this.add(text));
    this.#lists.push([...new Set(texts)].sort(compareCodeUnits));
    // Lists of about one length are merged, so that a text is moved few times while many are added.
    while (this.#lists.length > 1 && this.#lists.at(-2)!.length <= 2 * this.#lists.at(-1)!.length)
      this.#mergeLastTwo();
  }

  #mergeLastTwo(): void {
    const last = this.#lists.pop()!;
    this.#lists.push(unionOfSorted(this.#lists.pop()!, last));
  }

  deleteAll(texts: readonly string[]): void {
    if (texts.length < MIN_BULK) return texts.forEach((text) => this.delete(text));
    const deleted = new Set(texts);
    this.#lists = [this.#texts.filter((text) => !deleted.has(text))];
  }

  delete(text: string): void {
    const at = this.#lowerBound(text);
    if (this.#texts[at] === text) this.#texts.splice(at, 1);
  }

  /** All strings that begin with a prefix. */
  startingWith(prefix: string): string[] {
    return this.#texts.slice(...sortedRange(this.#texts, prefix));
  }

  /** How many strings begin with a prefix. */
  countStartingWith(prefix: string): number {
    const [from, to] = sortedRange(this.#texts, prefix);
    return to - from;
  }

  has(text: string): boolean {
    return this.#texts[this.#lowerBound(text)] === text;
  }

  /**
   * All members that are prefixes of a text, longest first. Any prefix of the text sorts at or before the last member
   * that does not sort after the text. So that member either is the longest prefix, or what it has in common with the
   * text bounds the length of the longest. Example: for `abcd` in a, ab, abca the last member is abca, which has abc in
   * common; the last member up to abc is ab, which is a prefix; the last up to a is a, which is one, too.
   */
  prefixesOf(text: string): string[] {
    return [...this.eachPrefixOf(text)];
  }

  /** Like `prefixesOf`, one by one, so that the caller can stop early. */
  *eachPrefixOf(text: string): Generator<string> {
    let rest = text;
    for (;;) {
      const at = this.#lowerBound(rest);
      const texts = this.#texts;
      const last = texts[at] === rest ? rest : texts[at - 1];
      if (last === undefined) return;
      const common = commonLength(last, text);
      if (common === last.length) yield last;
      if (last === '') return;
      rest = text.slice(0, Math.min(common, last.length - 1));
    }
  }

  /** At most `limit` members that sort after the given one, or from the first on without it. */
  after(text: string | undefined, limit: number): string[] {
    let at = 0;
    if (text !== undefined) {
      at = this.#lowerBound(text);
      if (this.#texts[at] === text) at += 1;
    }
    return this.#texts.slice(at, at + limit);
  }

  /** The members with a prefix that sort before a text, last first. The set must not change meanwhile. */
  *eachBefore(text: string, prefix: string): Generator<string> {
    const [, end] = sortedRange(this.#texts, prefix);
    let at = Math.min(this.#lowerBound(text), end) - 1;
    for (; this.#texts[at]?.startsWith(prefix); at -= 1) yield this.#texts[at]!;
  }

  /** The index of the first member that does not sort before the given text. */
  #lowerBound(text: string): number {
    return lowerBound(this.#texts, text);
  }
}

/** From this many on, rebuilding the array is faster than changing it for each. */
const MIN_BULK = 64;

function compareCodeUnits(one: string, other: string): number {
  return one < other ? -1 : 1;
}

/** The union of two sorted lists. */
function unionOfSorted(one: readonly string[], other: readonly string[]): string[] {
  const all: string[] = [];
  let at = 0;
  for (const text of other) {
    while (at < one.length && one[at]! < text) all.push(one[at++]!);
    if (one[at] !== text) all.push(text);
  }
  while (at < one.length) all.push(one[at++]!);
  return all;
}

function commonLength(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one.charCodeAt(length) === other.charCodeAt(length)) length += 1;
  return length;
}
