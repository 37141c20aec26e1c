import { type Reach, reachWithin, type RoleDefinition } from './roleReach.ts';
import { SortedTexts } from './sortedTexts.ts';

/** All roles, found by what grants them and by what they grant, without looking at roles that have no part in it. */
export class RoleIndex<R extends RoleDefinition> {
  #roles = new Map<string, R>();
  #ids = new SortedTexts();
  /** How many roles end in a star, by the length of the text before it: only such starts of a text need be tried. */
  #startLengths = new Map<number, number>();
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

  set(role: R): void {
    this.delete(role.roleId);
    this.#roles.set(role.roleId, role);
    this.#ids.add(role.roleId);
    this.#countStart(role.roleId, 1);
    this.#hold(role, 'add');
  }

  delete(roleId: string): void {
    const role = this.#roles.get(roleId);
    if (!role) return;
    this.#hold(role, 'delete');
    this.#countStart(roleId, -1);
    this.#ids.delete(roleId);
    this.#roles.delete(roleId);
  }

  /** The ids of the roles that a reach grants. */
  *granted(reach: Reach): Generator<string> {
    const text = 'exact' in reach ? reach.exact : reach.prefix;
    if ('prefix' in reach) yield* this.#ids.startingWith(text);
    else if (this.#roles.has(text)) yield text;
    for (const length of this.#startLengths.keys()) {
      // A start as long as a prefix was among the ids that begin with it.
      if (length > text.length || ('prefix' in reach && length === text.length)) continue;
      const roleId = `${text.slice(0, length)}*`;
      if (this.#roles.has(roleId)) yield roleId;
    }
  }

  /** The ids of the roles that have a scope which may grant the role of this id. */
  *holdersOf(roleId: string): Generator<string> {
    if (!roleId.endsWith('*')) {
      yield* this.#exact.of(roleId);
      yield* this.#prefix.ofStartsOf(roleId);
      return;
    }
    const start = roleId.slice(0, -1);
    yield* this.#exact.startingWith(start);
    yield* this.#prefix.startingWith(start);
    yield* this.#prefix.ofStartsOf(start);
  }

  #hold({ roleId, scopes }: R, action: 'add' | 'delete'): void {
    for (const scope of scopes) {
      const reach = reachWithin(roleId, scope);
      if (!reach) continue;
      if ('exact' in reach) this.#exact[action](reach.exact, roleId);
      else this.#prefix[action](reach.prefix, roleId);
    }
  }

  #countStart(roleId: string, by: number): void {
    if (!roleId.endsWith('*')) return;
    const length = roleId.length - 1;
    const count = (this.#startLengths.get(length) ?? 0) + by;
    if (count > 0) this.#startLengths.set(length, count);
    else this.#startLengths.delete(length);
  }
}

/** Which roles have scopes that reach a text. */
class Holders {
  #byText = new Map<string, Set<string>>();
  #texts = new SortedTexts();

  add(text: string, roleId: string): void {
    const holders = this.#byText.get(text);
    if (holders) holders.add(roleId);
    else {
      this.#byText.set(text, new Set([roleId]));
      this.#texts.add(text);
    }
  }

  /** A role with two scopes of one reach (as parameters make them) is forgotten with the first: it is removed as a whole. */
  delete(text: string, roleId: string): void {
    const holders = this.#byText.get(text);
    if (!holders?.delete(roleId) || holders.size > 0) return;
    this.#byText.delete(text);
    this.#texts.delete(text);
  }

  of(text: string): Iterable<string> {
    return this.#byText.get(text) ?? [];
  }

  *startingWith(start: string): Generator<string> {
    for (const text of this.#texts.startingWith(start)) yield* this.of(text);
  }

  *ofStartsOf(text: string): Generator<string> {
    for (let length = 0; length <= text.length; length += 1) yield* this.of(text.slice(0, length));
  }
}
