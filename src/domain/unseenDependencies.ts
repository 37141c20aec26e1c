import { type GrantPattern, grantPatternWithin, patternKey, patternText } from './grantPattern.ts';
import type { StoredRoles } from './overlayRole.ts';
import type { RoleDefinition } from './roleDefinition.ts';
import type { TimeSliced } from './timeSliced.ts';
import type { WorkBudget } from './workBudget.ts';

/** How many ids are collected for one unit of work. */
const IDS_PER_UNIT = 8;

/**
 * The roles that scopes of one role after the other may grant, for a graph traversal that visits each role once. It
 * leaves out most of those that it has returned before, because very many scopes may grant the same roles.
 */
export class UnseenDependencies {
  #roles: Pick<StoredRoles, 'idsCoveredBy' | 'eachStarredPrefixOf'>;
  #patterns = new Set<string>();
  /** Ids ending in a star that were returned. All shorter prefixes of such an id were returned with it. */
  #starred = new Set<string>();

  constructor(roles: Pick<StoredRoles, 'idsCoveredBy' | 'eachStarredPrefixOf'>) {
    this.#roles = roles;
  }

  /**
   * The ids of all roles that a role's scopes may grant and that were not returned before, and some that were, in time
   * slices. Throws ExpansionTooLarge.
   */
  *of({ roleId, scopes }: RoleDefinition, work: WorkBudget): TimeSliced<string[]> {
    const ids: string[] = [];
    for (const scope of scopes) {
      const pattern = grantPatternWithin(roleId, scope);
      const before = ids.length;
      if (pattern) for (const id of this.#matching(pattern)) ids.push(id);
      if (work.spend(1 + (ids.length - before) / IDS_PER_UNIT)) yield;
    }
    return ids;
  }

  #matching(pattern: GrantPattern): string[] {
    const key = patternKey(pattern);
    if (this.#patterns.has(key)) return [];
    this.#patterns.add(key);
    const ids = this.#roles.idsCoveredBy(pattern);
    for (const id of this.#roles.eachStarredPrefixOf(patternText(pattern))) {
      if (this.#starred.has(id)) break;
      this.#starred.add(id);
      ids.push(id);
    }
    return ids;
  }
}
