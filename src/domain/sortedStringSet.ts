/** A set of texts in the order of their code units, which finds those with a common beginning without looking at others. */
export class SortedStringSet {
  #texts: string[] = [];

  add(text: string): void {
    const at = this.#firstFrom(text);
    if (this.#texts[at] !== text) this.#texts.splice(at, 0, text);
  }

  /** The same for many at once. */
  addAll(texts: readonly string[]): void {
    if (texts.length < MANY) texts.forEach((text) => this.add(text));
    else this.#texts = together(this.#texts, [...new Set(texts)].sort(byCodeUnits));
  }

  deleteAll(texts: readonly string[]): void {
    if (texts.length < MANY) return texts.forEach((text) => this.delete(text));
    const gone = new Set(texts);
    this.#texts = this.#texts.filter((text) => !gone.has(text));
  }

  delete(text: string): void {
    const at = this.#firstFrom(text);
    if (this.#texts[at] === text) this.#texts.splice(at, 1);
  }

  /** All that begin with a prefix. */
  startingWith(prefix: string): string[] {
    const from = this.#firstFrom(prefix);
    let to = from;
    while (this.#texts[to]?.startsWith(prefix)) to += 1;
    return this.#texts.slice(from, to);
  }

  /** How many begin with a prefix. */
  countStartingWith(prefix: string): number {
    return this.#firstFrom(prefix + LAST) - this.#firstFrom(prefix);
  }

  has(text: string): boolean {
    return this.#texts[this.#firstFrom(text)] === text;
  }

  /**
   * All that a text begins with, longest first. The longest one, if there is any, is not before whatever comes last before
   * the text; so that one either is it, or shows by how much they have in common how long it can be at most. Example: for
   * `abcd` in a, ab, abca that is abca, which has abc in common; the last up to abc is ab: found; the last up to a is a.
   */
  startsOf(text: string): string[] {
    return [...this.eachStartOf(text)];
  }

  /** The same one by one, for whoever may not want all. */
  *eachStartOf(text: string): Generator<string> {
    let rest = text;
    for (;;) {
      const at = this.#firstFrom(rest);
      const last = this.#texts[at] === rest ? rest : this.#texts[at - 1];
      if (last === undefined) return;
      const common = commonLength(last, text);
      if (common === last.length) yield last;
      if (last === '') return;
      rest = text.slice(0, Math.min(common, last.length - 1));
    }
  }

  /** At most `limit` texts after the given one; from the first on without it. */
  after(text: string | undefined, limit: number): string[] {
    let at = 0;
    if (text !== undefined) {
      at = this.#firstFrom(text);
      if (this.#texts[at] === text) at += 1;
    }
    return this.#texts.slice(at, at + limit);
  }

  /** Where the first text stands that is not before the given one. */
  #firstFrom(text: string): number {
    let low = 0;
    let high = this.#texts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#texts[middle]! < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** After every character of the texts that are kept here. */
const LAST = '\uffff';

/** Of so many texts it is quicker to put all in order than to put each in its place. */
const MANY = 64;

function byCodeUnits(one: string, other: string): number {
  return one < other ? -1 : 1;
}

/** Two lists in order, as one. */
function together(some: readonly string[], others: readonly string[]): string[] {
  const all: string[] = [];
  let at = 0;
  for (const text of others) {
    while (at < some.length && some[at]! < text) all.push(some[at++]!);
    if (some[at] !== text) all.push(text);
  }
  while (at < some.length) all.push(some[at++]!);
  return all;
}

function commonLength(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one.charCodeAt(length) === other.charCodeAt(length)) length += 1;
  return length;
}
