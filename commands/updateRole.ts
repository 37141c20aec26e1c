import type { RoleRow } from '../projections/roles.ts';
import type { RoleUpdated } from '../schemas/events/roleEvents.ts';
import type { Command } from '../src/command.ts';
import { refuseDoubleStars } from '../src/domain/client.ts';
import {
  existingRole,
  refuseAmbiguousScopes,
  refuseCycle,
  refuseEndlessCycle,
  refuseExcess,
  type RolesState,
} from '../src/domain/role.ts';
import { missingFrom } from '../src/domain/scopes.ts';
import { sameList } from '../src/domain/sameList.ts';

/**
 * A new description and new scopes for a role. The caller needs what its expansion did not hold before. A role that was
 * imported with a cycle may be changed, too, as long as it comes to depend on no other roles than before.
 */
export const updateRole: Command<RoleUpdated['data'], RolesState, RoleUpdated> = {
  check: ({ scopes }) => refuseDoubleStars(scopes),
  authParams({ roleId, scopes }, roles) {
    return { roleId, scopesAdded: missingFrom(roles.expand(existingRole(roles, roleId).scopes), scopes) };
  },
  decide(data, roles) {
    const stored = existingRole(roles, data.roleId);
    if (stored.description === data.description && sameList(stored.scopes, data.scopes)) return [];
    refuseAmbiguousScopes(data.roleId, data.scopes);
    if (addsDependency(stored, data, roles)) refuseCycle(roles.cycleThrough(data));
    else refuseEndlessCycle(roles.endlessThrough(data));
    refuseExcess(roles.excessOf(data));
    return [{ type: 'RoleUpdated', data }];
  },
};

function addsDependency(stored: RoleRow, next: RoleUpdated['data'], roles: RolesState): boolean {
  const before = roles.dependenciesOf(stored);
  return [...roles.dependenciesOf(next)].some((roleId) => !before.has(roleId));
}
