import { type GrantPattern, grantPatternWithin, patternText } from './grantPattern.ts';
import { type RoleDefinition, takesParameter } from './roleDefinition.ts';
import { SortedStringSet } from './sortedStringSet.ts';

/** All roles, indexed by id and by the roles that their scopes may grant. Lookups do not scan unrelated roles. */
export class RoleIndex<R extends RoleDefinition> {
  #roles = new Map<string, R>();
  #ids = new SortedStringSet();
  /** The ids that end in a star, without it. */
  #starredPrefixes = new SortedStringSet();
  #parameterised = new Set<string>();
  #exact = new DependentsByText();
  #prefix = new DependentsByText();

  get size(): number {
    return this.#roles.size;
  }

  get(roleId: string): R | undefined {
    return this.#roles.get(roleId);
  }

  values(): Iterable<R> {
    return this.#roles.values();
  }

  idsAfter(after: string | undefined, limit: number): string[] {
    return this.#ids.after(after, limit);
  }

  takesParameter(roleId: string): boolean {
    return this.#parameterised.has(roleId);
  }

  set(role: R): void {
    const { roleId } = role;
    this.delete(roleId);
    this.#roles.set(roleId, role);
    this.#ids.add(roleId);
    if (roleId.endsWith('*')) this.#starredPrefixes.add(roleId.slice(0, -1));
    if (takesParameter(role)) this.#parameterised.add(roleId);
    this.#updateDependents(role, 'add');
  }

  delete(roleId: string): void {
    const role = this.#roles.get(roleId);
    if (!role) return;
    this.#updateDependents(role, 'delete');
    this.#parameterised.delete(roleId);
    if (roleId.endsWith('*')) this.#starredPrefixes.delete(roleId.slice(0, -1));
    this.#ids.delete(roleId);
    this.#roles.delete(roleId);
  }

  /** The ids ending in a star whose text before the star is a prefixes of this text. */
  starredPrefixesOf(text: string): string[] {
    return [...this.eachStarredPrefixOf(text)];
  }

  /** Like `starredPrefixesOf`, one by one, longest first, so that the caller can stop early. */
  *eachStarredPrefixOf(text: string): Generator<string> {
    for (const start of this.#starredPrefixes.eachPrefixOf(text)) yield `${start}*`;
  }

  /** The id that equals an exact pattern, or the ids that begin with a prefix pattern. */
  idsCoveredBy(pattern: GrantPattern): string[] {
    if ('prefix' in pattern) return this.#ids.startingWith(pattern.prefix);
    return this.#roles.has(pattern.exact) ? [pattern.exact] : [];
  }

  /** With how many different parameters the roles' scopes may grant the role with this id, which ends in a star. */
  countParameters(roleId: string): number {
    const start = roleId.slice(0, -1);
    return this.#exact.countStartingWith(start) + this.#prefix.countStartingWith(start);
  }

  /** Whether a scope of a role other than this one has that pattern. */
  hasOtherDependent(pattern: GrantPattern, roleId: string): boolean {
    const dependents = 'exact' in pattern ? this.#exact.of(pattern.exact) : this.#prefix.of(pattern.prefix);
    return dependents.size > (dependents.has(roleId) ? 1 : 0);
  }

  /** The ids of the roles that a pattern grants, possibly with repetitions. */
  idsMatching(pattern: GrantPattern): string[] {
    return [...this.idsCoveredBy(pattern), ...this.starredPrefixesOf(patternText(pattern))];
  }

  /** The ids of the roles that depend on this one, possibly with repetitions: a scope of theirs may grant it. */
  dependentsOf(roleId: string): string[] {
    if (!roleId.endsWith('*')) return [...this.#exact.of(roleId), ...this.#prefix.ofPrefixesOf(roleId)];
    const start = roleId.slice(0, -1);
    return [
      ...this.#exact.startingWith(start),
      ...this.#prefix.startingWith(start),
      ...this.#prefix.ofPrefixesOf(start),
    ];
  }

  #updateDependents({ roleId, scopes }: R, action: 'add' | 'delete'): void {
    const patterns = scopes
      .map((scope) => grantPatternWithin(roleId, scope))
      .filter((pattern) => pattern !== undefined);
    const exact = patterns.flatMap((pattern) => ('exact' in pattern ? [pattern.exact] : []));
    const prefixes = patterns.flatMap((pattern) => ('prefix' in pattern ? [pattern.prefix] : []));
    this.#exact[action](exact, roleId);
    this.#prefix[action](prefixes, roleId);
  }
}

/** The ids of the roles whose scopes have a pattern, by the pattern's text. */
class DependentsByText {
  #byText = new Map<string, Set<string>>();
  #texts = new SortedStringSet();

  /** Several scopes of a role may have the same text. */
  add(texts: readonly string[], roleId: string): void {
    const added: string[] = [];
    for (const text of texts) {
      const dependents = this.#byText.get(text);
      if (dependents) dependents.add(roleId);
      else {
        this.#byText.set(text, new Set([roleId]));
        added.push(text);
      }
    }
    this.#texts.addAll(added);
  }

  delete(texts: readonly string[], roleId: string): void {
    const unused: string[] = [];
    for (const text of texts) {
      const dependents = this.#byText.get(text);
      if (!dependents?.delete(roleId) || dependents.size > 0) continue;
      this.#byText.delete(text);
      unused.push(text);
    }
    this.#texts.deleteAll(unused);
  }

  of(text: string): ReadonlySet<string> {
    return this.#byText.get(text) ?? NO_DEPENDENTS;
  }

  countStartingWith(start: string): number {
    return this.#texts.countStartingWith(start);
  }

  startingWith(start: string): string[] {
    return this.#texts.startingWith(start).flatMap((text) => [...this.of(text)]);
  }

  ofPrefixesOf(text: string): string[] {
    return this.#texts.prefixesOf(text).flatMap((start) => [...this.of(start)]);
  }
}

const NO_DEPENDENTS: ReadonlySet<string> = new Set();
