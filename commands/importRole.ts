import type { RoleCreated, RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Command } from '../src/command.ts';
import { judgeRole, refuseAmbiguousScopes, type RolesState } from '../src/domain/role.ts';
import { sameScopes, sorting } from '../src/domain/scopes.ts';
import { createRole } from './createRole.ts';

export type ImportRoleInput = Required<RoleCreated['data']>;

/**
 * A role as another deployment has it: a new one, or the description and the scopes of one that exists. That deployment may
 * have cycles of roles, so only those that would expand without end are refused.
 */
export const importRole: Command<ImportRoleInput, RolesState, RoleEvent> = {
  check: createRole.check,
  authParams: createRole.authParams,
  *decide({ imported, ...data }, roles, { work }) {
    const stored = roles.get(data.roleId);
    if (stored?.description === data.description && sameScopes(stored.scopes, data.scopes)) return [];
    refuseAmbiguousScopes(data.roleId, data.scopes);
    yield* judgeRole(data, { roles, cycles: 'endless' }, work);
    if (stored) return [{ type: 'RoleUpdated', data }];
    const scopes = yield* sorting(data.scopes, work);
    return [{ type: 'RoleCreated', data: { ...data, scopes, imported } }];
  },
};
