import type { RoleCreated, RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Command } from '../src/command.ts';
import { validateRole, refuseAmbiguousScopes, type RolesState } from '../src/domain/role.ts';
import { sameScopes, sortInSlices } from '../src/domain/scopes.ts';
import { createRole } from './createRole.ts';

export type ImportRoleInput = Required<RoleCreated['data']>;

/**
 * Creates a role, or updates description and scopes of an existing one, as another deployment has it. That deployment
 * may have cycles of roles, so only cycles that would expand without end are refused.
 */
export const importRole: Command<ImportRoleInput, RolesState, RoleEvent> = {
  check: createRole.check,
  authParams: createRole.authParams,
  *decide({ imported, ...data }, roles, { work }) {
    const stored = roles.get(data.roleId);
    if (stored?.description === data.description && sameScopes(stored.scopes, data.scopes)) return [];
    refuseAmbiguousScopes(data.roleId, data.scopes);
    yield* validateRole(data, { roles, cycles: 'unbounded' }, work);
    if (stored) return [{ type: 'RoleUpdated', data }];
    const scopes = yield* sortInSlices(data.scopes, work);
    return [{ type: 'RoleCreated', data: { ...data, scopes, imported } }];
  },
};
