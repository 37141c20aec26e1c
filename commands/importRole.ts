import type { RoleCreated, RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Command } from '../src/command.ts';
import {
  refuseAmbiguousScopes,
  refuseEndlessCycle,
  refuseExcess,
  type RolesState,
} from '../src/domain/role.ts';
import { compareScopes, sameScopes } from '../src/domain/scopes.ts';
import { createRole } from './createRole.ts';

export type ImportRoleInput = Required<RoleCreated['data']>;

/**
 * A role as another deployment has it: a new one, or the description and the scopes of one that exists. That deployment may
 * have cycles of roles, so only those that would expand without end are refused.
 */
export const importRole: Command<ImportRoleInput, RolesState, RoleEvent> = {
  check: createRole.check,
  authParams: createRole.authParams,
  decide({ imported, ...data }, roles) {
    const stored = roles.get(data.roleId);
    if (stored?.description === data.description && sameScopes(stored.scopes, data.scopes)) return [];
    refuseAmbiguousScopes(data.roleId, data.scopes);
    refuseEndlessCycle(roles.endlessThrough(data));
    refuseExcess(roles.excessOf(data));
    if (stored) return [{ type: 'RoleUpdated', data }];
    return [
      { type: 'RoleCreated', data: { ...data, scopes: data.scopes.toSorted(compareScopes), imported } },
    ];
  },
};
