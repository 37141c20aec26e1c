import { keyOf, type Reach, reachWithin, type RoleDefinition, textOf } from './roleReach.ts';
import type { StoredRoles } from './withRole.ts';
import type { Sliced, Work } from './work.ts';

/** So many ids are passed over in the time that it takes to look at one scope. */
const PASSED_IN_ONE = 8;

/**
 * What the scopes of one role after the other may grant, for whoever goes to each role once: it leaves out most of what was granted
 * before, as very many scopes may grant the same roles.
 */
export class GrantedOnce {
  #roles: Pick<StoredRoles, 'idsAt' | 'eachStarredStartOf'>;
  #reaches = new Set<string>();
  /** Whoever was granted one of these was granted all shorter ones at the same time. */
  #starts = new Set<string>();

  constructor(roles: Pick<StoredRoles, 'idsAt' | 'eachStarredStartOf'>) {
    this.#roles = roles;
  }

  /** The ids of all roles that a role's scopes may grant and that were not granted before, with some that were, in slices. */
  *by({ roleId, scopes }: RoleDefinition, work: Work): Sliced<string[]> {
    const ids: string[] = [];
    for (const scope of scopes) {
      const reach = reachWithin(roleId, scope);
      const before = ids.length;
      if (reach) for (const id of this.#of(reach)) ids.push(id);
      if (work.spend(1 + (ids.length - before) / PASSED_IN_ONE)) yield;
    }
    return ids;
  }

  #of(reach: Reach): string[] {
    const key = keyOf(reach);
    if (this.#reaches.has(key)) return [];
    this.#reaches.add(key);
    const ids = this.#roles.idsAt(reach);
    for (const id of this.#roles.eachStarredStartOf(textOf(reach))) {
      if (this.#starts.has(id)) break;
      this.#starts.add(id);
      ids.push(id);
    }
    return ids;
  }
}
