import { type Reach, reaches, type RoleDefinition, takesParameter } from './roleReach.ts';

type Stored = {
  get(roleId: string): RoleDefinition | undefined;
  granted(reach: Reach): string[];
  takesParameter(roleId: string): boolean;
};

/** The stored roles as they would be with a role in the place of the stored one of its id. */
export function withRole(role: RoleDefinition, stored: Stored) {
  const isParameterised = takesParameter(role);
  return {
    /** The role of an id that is known to be there. */
    get: (roleId: string): RoleDefinition => (roleId === role.roleId ? role : stored.get(roleId)!),
    granted(reach: Reach): string[] {
      const ids = stored.granted(reach);
      const isMissing = !stored.get(role.roleId) && reaches(reach, role.roleId);
      return isMissing ? [...ids, role.roleId] : ids;
    },
    takesParameter: (roleId: string): boolean =>
      roleId === role.roleId ? isParameterised : stored.takesParameter(roleId),
  };
}
