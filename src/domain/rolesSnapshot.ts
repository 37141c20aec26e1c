import type { RoleIndex } from './roleIndex.ts';
import { type Reach, reaches, type RoleDefinition, takesParameter } from './roleReach.ts';

type Index = Pick<RoleIndex<RoleDefinition>, 'get' | 'granted' | 'takesParameter'>;

/**
 * All roles as they were when this was made, for whoever looks at them for longer than one turn. It is told of each change
 * after that, and keeps what the role was before.
 */
export class RolesSnapshot {
  /** That of the role graph when this was made. */
  readonly version: number;
  #index: Index;
  #before = new Map<string, RoleDefinition | undefined>();

  constructor(index: Index, version: number) {
    this.#index = index;
    this.version = version;
  }

  /** Whether these still are the roles that there are now. */
  get isCurrent(): boolean {
    return this.#before.size === 0;
  }

  /** Notes that a role is about to change; undefined is one that is about to be made. */
  note(roleId: string, before: RoleDefinition | undefined): void {
    if (!this.#before.has(roleId)) this.#before.set(roleId, before);
  }

  get(roleId: string): RoleDefinition | undefined {
    return this.#before.has(roleId) ? this.#before.get(roleId) : this.#index.get(roleId);
  }

  takesParameter(roleId: string): boolean {
    if (!this.#before.has(roleId)) return this.#index.takesParameter(roleId);
    const role = this.#before.get(roleId);
    return role !== undefined && takesParameter(role);
  }

  /** The ids of the roles that a reach grants; one may stand there twice. */
  granted(reach: Reach): string[] {
    const ids = this.#index.granted(reach);
    if (this.isCurrent) return ids;
    const former = [...this.#before].filter(([id, role]) => role && reaches(reach, id)).map(([id]) => id);
    return [...ids.filter((id) => !this.#before.has(id)), ...former];
  }
}
