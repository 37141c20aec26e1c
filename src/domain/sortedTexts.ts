/** A set of texts in the order of their code units, which finds all that begin with a prefix without looking at others. */
export class SortedTexts {
  #texts: string[] = [];

  get size(): number {
    return this.#texts.length;
  }

  /** Replaces everything. */
  load(texts: Iterable<string>): void {
    this.#texts = [...new Set(texts)].sort(compareTexts);
  }

  add(text: string): void {
    const at = this.#firstFrom(text);
    if (this.#texts[at] !== text) this.#texts.splice(at, 0, text);
  }

  delete(text: string): void {
    const at = this.#firstFrom(text);
    if (this.#texts[at] === text) this.#texts.splice(at, 1);
  }

  *startingWith(prefix: string): Generator<string> {
    for (let at = this.#firstFrom(prefix); at < this.#texts.length; at += 1) {
      const text = this.#texts[at]!;
      if (!text.startsWith(prefix)) return;
      yield text;
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

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
