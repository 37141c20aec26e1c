import type { RoleEvent, RoleSettings } from '../schemas/events/roleEvents.ts';
import type { Projection } from '../src/projection.ts';

/** The current state of a role. */
export type RoleRow = RoleSettings & { roleId: string; created: string; lastModified: string };

/** All roles, by roleId. The role-expansion index is loaded from them. */
export const roles: Projection<RoleRow, RoleEvent> = {
  name: 'roles',
  version: 2,
  keys: (event) => [event.data.roleId],
  on: {
    RoleCreated: (_, { data: { imported, ...data }, metadata: { at } }) => ({
      ...data,
      created: imported?.created ?? at,
      lastModified: imported?.lastModified ?? at,
    }),
    RoleUpdated: (row, { data, metadata: { at } }) => row && { ...row, ...data, lastModified: at },
    RoleDeleted: () => undefined,
  },
};
