import { type GrantPattern, matchesRole } from './grantPattern.ts';
import { type RoleDefinition, takesParameter } from './roleDefinition.ts';
import type { RoleIndex } from './roleIndex.ts';

export type StoredRoles = Pick<
  RoleIndex<RoleDefinition>,
  'get' | 'idsMatching' | 'takesParameter' | 'idsCoveredBy'
> & { eachStarredPrefixOf(text: string): Iterable<string> };

/** A view of the stored roles in which a role replaces the stored one with its id, or is added. */
export function overlayRole(role: RoleDefinition, stored: StoredRoles) {
  const isParameterised = takesParameter(role);
  const isAddedMatch = (pattern: GrantPattern): boolean =>
    !stored.get(role.roleId) && matchesRole(pattern, role.roleId);
  return {
    /** The role with this id; one without scopes if it has been deleted meanwhile. */
    get: (roleId: string): RoleDefinition =>
      roleId === role.roleId ? role : (stored.get(roleId) ?? { roleId, scopes: [] }),
    idsMatching(pattern: GrantPattern): string[] {
      const ids = stored.idsMatching(pattern);
      return isAddedMatch(pattern) ? [...ids, role.roleId] : ids;
    },
    eachStarredPrefixOf: (text: string) => stored.eachStarredPrefixOf(text),
    idsCoveredBy(pattern: GrantPattern): string[] {
      const ids = stored.idsCoveredBy(pattern);
      return isAddedMatch(pattern) ? [...ids, role.roleId] : ids;
    },
    takesParameter: (roleId: string): boolean =>
      roleId === role.roleId ? isParameterised : stored.takesParameter(roleId),
  };
}
