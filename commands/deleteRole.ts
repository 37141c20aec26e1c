import type { RoleDeleted } from '../schemas/events/roleEvents.ts';
import type { Command } from '../src/command.ts';
import type { RolesState } from '../src/domain/role.ts';

/** Deletes a role. Idempotent: succeeds if there is none. */
export const deleteRole: Command<{ roleId: string }, RolesState, RoleDeleted> = {
  authParams: ({ roleId }) => ({ roleId }),
  decide: ({ roleId }, roles) => (roles.get(roleId) ? [{ type: 'RoleDeleted', data: { roleId } }] : []),
};
