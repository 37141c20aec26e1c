import { type Reach, reachWithin, type RoleDefinition, takesParameter, textOf } from './roleReach.ts';
import { SortedStringSet } from './sortedStringSet.ts';

/** All roles, found by what grants them and by what they grant, without looking at roles that have no part in it. */
export class RoleIndex<R extends RoleDefinition> {
  #roles = new Map<string, R>();
  #ids = new SortedStringSet();
  /** What stands before the star in the ids that end in one. */
  #starts = new SortedStringSet();
  #takingParameter = new Set<string>();
  #exact = new Holders();
  #prefix = new Holders();

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
    return this.#takingParameter.has(roleId);
  }

  set(role: R): void {
    const { roleId } = role;
    this.delete(roleId);
    this.#roles.set(roleId, role);
    this.#ids.add(roleId);
    if (roleId.endsWith('*')) this.#starts.add(roleId.slice(0, -1));
    if (takesParameter(role)) this.#takingParameter.add(roleId);
    this.#hold(role, 'add');
  }

  delete(roleId: string): void {
    const role = this.#roles.get(roleId);
    if (!role) return;
    this.#hold(role, 'delete');
    this.#takingParameter.delete(roleId);
    if (roleId.endsWith('*')) this.#starts.delete(roleId.slice(0, -1));
    this.#ids.delete(roleId);
    this.#roles.delete(roleId);
  }

  /** The ids that end in a star and grant their role for every text that begins as they do, of those that this text begins as. */
  starredStartsOf(text: string): string[] {
    return [...this.eachStarredStartOf(text)];
  }

  /** The same one by one, longest first, for whoever may not want all. */
  *eachStarredStartOf(text: string): Generator<string> {
    for (const start of this.#starts.eachStartOf(text)) yield `${start}*`;
  }

  /** The ids that are a reach's text, or begin with it. */
  idsAt(reach: Reach): string[] {
    if ('prefix' in reach) return this.#ids.startingWith(reach.prefix);
    return this.#roles.has(reach.exact) ? [reach.exact] : [];
  }

  /** By how many different texts the roles' scopes may grant the role of an id ending in a star with a parameter of their own. */
  parametersOf(roleId: string): number {
    const start = roleId.slice(0, -1);
    return this.#exact.countStartingWith(start) + this.#prefix.countStartingWith(start);
  }

  /** Whether a role other than this one has a scope of that reach. */
  isReachedByOthers(reach: Reach, roleId: string): boolean {
    const holders = 'exact' in reach ? this.#exact.of(reach.exact) : this.#prefix.of(reach.prefix);
    return holders.size > (holders.has(roleId) ? 1 : 0);
  }

  /** The ids of the roles that a reach grants; one may stand there twice. */
  granted(reach: Reach): string[] {
    return [...this.idsAt(reach), ...this.starredStartsOf(textOf(reach))];
  }

  /** The ids of the roles that have a scope which may grant the role of this id. */
  holdersOf(roleId: string): string[] {
    if (!roleId.endsWith('*')) return [...this.#exact.of(roleId), ...this.#prefix.ofStartsOf(roleId)];
    const start = roleId.slice(0, -1);
    return [
      ...this.#exact.startingWith(start),
      ...this.#prefix.startingWith(start),
      ...this.#prefix.ofStartsOf(start),
    ];
  }

  #hold({ roleId, scopes }: R, action: 'add' | 'delete'): void {
    const reaches = scopes.map((scope) => reachWithin(roleId, scope)).filter((reach) => reach !== undefined);
    const exact = reaches.flatMap((reach) => ('exact' in reach ? [reach.exact] : []));
    const prefix = reaches.flatMap((reach) => ('prefix' in reach ? [reach.prefix] : []));
    this.#exact[action](exact, roleId);
    this.#prefix[action](prefix, roleId);
  }
}

/** Which roles have scopes that reach a text. */
class Holders {
  #byText = new Map<string, Set<string>>();
  #texts = new SortedStringSet();

  /** A role may reach a text by several scopes. */
  add(texts: readonly string[], roleId: string): void {
    const fresh: string[] = [];
    for (const text of texts) {
      const holders = this.#byText.get(text);
      if (holders) holders.add(roleId);
      else {
        this.#byText.set(text, new Set([roleId]));
        fresh.push(text);
      }
    }
    this.#texts.addAll(fresh);
  }

  delete(texts: readonly string[], roleId: string): void {
    const gone: string[] = [];
    for (const text of texts) {
      const holders = this.#byText.get(text);
      if (!holders?.delete(roleId) || holders.size > 0) continue;
      this.#byText.delete(text);
      gone.push(text);
    }
    this.#texts.deleteAll(gone);
  }

  of(text: string): ReadonlySet<string> {
    return this.#byText.get(text) ?? NOBODY;
  }

  countStartingWith(start: string): number {
    return this.#texts.countStartingWith(start);
  }

  startingWith(start: string): string[] {
    return this.#texts.startingWith(start).flatMap((text) => [...this.of(text)]);
  }

  ofStartsOf(text: string): string[] {
    return this.#texts.startsOf(text).flatMap((start) => [...this.of(start)]);
  }
}

const NOBODY: ReadonlySet<string> = new Set();
