import type { RoleIndex } from './roleIndex.ts';
import { type GrantPattern, matchesRole } from './grantPattern.ts';
import { type RoleDefinition, takesParameter } from './roleDefinition.ts';

type Index = Pick<
  RoleIndex<RoleDefinition>,
  'get' | 'idsMatching' | 'takesParameter' | 'idsCoveredBy' | 'eachStarredPrefixOf'
>;

/**
 * A copy-on-write snapshot of all roles, for computations that take several time slices. Before each later change of a
 * role, `preserve` keeps its preserved definition.
 */
export class RolesSnapshot {
  /** The role graph's version when the snapshot was taken. */
  readonly version: number;
  #index: Index;
  #preserved = new Map<string, RoleDefinition | undefined>();

  constructor(index: Index, version: number) {
    this.#index = index;
    this.version = version;
  }

  /** Whether no role has changed since. */
  get isCurrent(): boolean {
    return this.#preserved.size === 0;
  }

  /** Keeps the definition of a role that is about to change; undefined for one that is about to be created. */
  preserve(roleId: string, before: RoleDefinition | undefined): void {
    if (!this.#preserved.has(roleId)) this.#preserved.set(roleId, before);
  }

  get(roleId: string): RoleDefinition | undefined {
    return this.#preserved.has(roleId) ? this.#preserved.get(roleId) : this.#index.get(roleId);
  }

  takesParameter(roleId: string): boolean {
    if (!this.#preserved.has(roleId)) return this.#index.takesParameter(roleId);
    const role = this.#preserved.get(roleId);
    return role !== undefined && takesParameter(role);
  }

  /** The ids of the roles that a pattern grants, possibly with repetitions. */
  idsMatching(pattern: GrantPattern): string[] {
    const ids = this.#index.idsMatching(pattern);
    if (this.isCurrent) return ids;
    const formerMatches = [...this.#preserved]
      .filter(([id, role]) => role && matchesRole(pattern, id))
      .map(([id]) => id);
    return [...ids.filter((id) => !this.#preserved.has(id)), ...formerMatches];
  }

  /** The id that equals an exact pattern, or the ids that begin with a prefix pattern. */
  idsCoveredBy(pattern: GrantPattern): string[] {
    const ids = this.#index.idsCoveredBy(pattern);
    if (this.isCurrent) return ids;
    return [
      ...ids.filter((id) => !this.#preserved.has(id)),
      ...this.#formerIds().filter((id) =>
        'prefix' in pattern ? id.startsWith(pattern.prefix) : id === pattern.exact,
      ),
    ];
  }

  /** The ids ending in a star whose text before the star is a prefix of this text, longest first. */
  eachStarredPrefixOf(text: string): Iterable<string> {
    const ids = this.#index.eachStarredPrefixOf(text);
    if (this.isCurrent) return ids;
    return [
      ...[...ids].filter((id) => !this.#preserved.has(id)),
      ...this.#formerIds().filter((id) => id.endsWith('*') && text.startsWith(id.slice(0, -1))),
    ].toSorted((one, other) => other.length - one.length);
  }

  /** The ids of the roles that have changed since, or were deleted. */
  #formerIds(): string[] {
    return [...this.#preserved].filter(([, role]) => role).map(([id]) => id);
  }
}
