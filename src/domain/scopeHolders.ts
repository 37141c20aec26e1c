import { SortedStringSet } from './sortedStringSet.ts';

/** Which scopes are looked for: a text, everything that begins with a text, or a prefix of a text followed by a star. */
export type ScopeMatch = { kind: 'equal' | 'starting' | 'starred-prefix'; text: string };

/** Who has which scopes of their own, by the scopes' text. */
export class ScopeHolders {
  /** Most scopes have one holder, which takes much less memory than a set. */
  #byScope = new Map<string, string | Set<string>>();
  #scopes = new SortedStringSet();
  /** The scopes that end in a star, without it. */
  #starred = new SortedStringSet();

  add(holder: string, scopes: readonly string[]): void {
    this.addAll([{ holder, scopes }]);
  }

  /** Adds the scopes of many holders at once, which is faster than one by one. */
  addAll(grants: Iterable<{ holder: string; scopes: readonly string[] }>): void {
    const added: string[] = [];
    for (const { holder, scopes } of grants)
      for (const scope of scopes) {
        const holders = this.#byScope.get(scope);
        if (holders instanceof Set) holders.add(holder);
        else if (holders === undefined) {
          this.#byScope.set(scope, holder);
          added.push(scope);
        } else if (holders !== holder) this.#byScope.set(scope, new Set([holders, holder]));
      }
    this.#scopes.addAll(added);
    this.#starred.addAll(added.filter(isStarred).map(withoutStar));
  }

  delete(holder: string, scopes: readonly string[]): void {
    const unused: string[] = [];
    for (const scope of scopes) {
      const holders = this.#byScope.get(scope);
      if (holders instanceof Set) {
        holders.delete(holder);
        if (holders.size > 0) continue;
      } else if (holders !== holder) continue;
      this.#byScope.delete(scope);
      unused.push(scope);
    }
    this.#scopes.deleteAll(unused);
    this.#starred.deleteAll(unused.filter(isStarred).map(withoutStar));
  }

  /** The scopes that match, with their holders. */
  *matching({ kind, text }: ScopeMatch): Generator<{ scope: string; holders: Iterable<string> }> {
    for (const scope of this.#scopesMatching(kind, text))
      if (this.#byScope.has(scope)) yield { scope, holders: this.holdersOf(scope) };
  }

  /** The holders of exactly this scope. */
  holdersOf(scope: string): Iterable<string> {
    const holders = this.#byScope.get(scope) ?? [];
    return typeof holders === 'string' ? [holders] : holders;
  }

  /** The scopes that begin with a text, sorted. */
  startingWith(text: string): string[] {
    return this.#scopes.startingWith(text);
  }

  /** The scopes whose star stands before the end of a text, so that they cover it, shortest first. */
  starsBefore(text: string): string[] {
    return this.#starred
      .prefixesOf(text)
      .filter((prefix) => prefix !== text)
      .reverse()
      .map((prefix) => `${prefix}*`);
  }

  #scopesMatching(kind: ScopeMatch['kind'], text: string): Iterable<string> {
    if (kind === 'equal') return [text];
    if (kind === 'starting') return this.#scopes.startingWith(text);
    return this.#starred.prefixesOf(text).map((prefix) => `${prefix}*`);
  }
}

function isStarred(scope: string): boolean {
  return scope.endsWith('*');
}

function withoutStar(scope: string): string {
  return scope.slice(0, -1);
}
