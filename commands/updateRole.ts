import type { RoleUpdated } from '../schemas/events/roleEvents.ts';
import type { Command } from '../src/command.ts';
import { refuseDoubleStars } from '../src/domain/client.ts';
import {
  existingRole,
  refuseAmbiguousScopes,
  refuseCycle,
  refuseSpread,
  type RolesState,
} from '../src/domain/role.ts';
import { missingFrom } from '../src/domain/scopes.ts';
import { sameList } from '../src/domain/sameList.ts';

/** A new description and new scopes for a role. The caller needs what its expansion did not hold before. */
export const updateRole: Command<RoleUpdated['data'], RolesState, RoleUpdated> = {
  check: ({ scopes }) => refuseDoubleStars(scopes),
  authParams({ roleId, scopes }, roles) {
    return { roleId, scopesAdded: missingFrom(roles.expand(existingRole(roles, roleId).scopes), scopes) };
  },
  decide(data, roles) {
    const stored = existingRole(roles, data.roleId);
    if (stored.description === data.description && sameList(stored.scopes, data.scopes)) return [];
    refuseAmbiguousScopes(data.roleId, data.scopes);
    const row = { ...stored, ...data };
    refuseCycle(roles.cycleThrough(row));
    refuseSpread(roles.spreadThrough(row));
    return [{ type: 'RoleUpdated', data }];
  },
};
