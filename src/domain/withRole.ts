import { type Reach, reaches, type RoleDefinition, takesParameter } from './roleReach.ts';
import type { RoleIndex } from './roleIndex.ts';

export type StoredRoles = Pick<
  RoleIndex<RoleDefinition>,
  'get' | 'granted' | 'takesParameter' | 'idsAt' | 'eachStarredStartOf'
>;

/** The stored roles as they would be with a role in the place of the stored one of its id. */
export function withRole(role: RoleDefinition, stored: StoredRoles) {
  const isParameterised = takesParameter(role);
  const isMissing = (reach: Reach): boolean => !stored.get(role.roleId) && reaches(reach, role.roleId);
  return {
    /** A role; one without scopes in the place of one that is gone by now. */
    get: (roleId: string): RoleDefinition =>
      roleId === role.roleId ? role : (stored.get(roleId) ?? { roleId, scopes: [] }),
    granted(reach: Reach): string[] {
      const ids = stored.granted(reach);
      return isMissing(reach) ? [...ids, role.roleId] : ids;
    },
    /** The ids that a reach's text begins with, and the others that it grants. */
    eachStarredStartOf: (text: string) => stored.eachStarredStartOf(text),
    idsAt(reach: Reach): string[] {
      const ids = stored.idsAt(reach);
      return isMissing(reach) ? [...ids, role.roleId] : ids;
    },
    takesParameter: (roleId: string): boolean =>
      roleId === role.roleId ? isParameterised : stored.takesParameter(roleId),
  };
}
