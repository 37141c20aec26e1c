import type { RoleCreated } from '../schemas/events/roleEvents.ts';
import type { Command } from '../src/command.ts';
import { refuseDoubleStars } from '../src/domain/client.ts';
import { ApiError } from '../src/domain/errors.ts';
import { asCode } from '../src/domain/markdown.ts';
import { validateRole, refuseAmbiguousScopes, type RolesState } from '../src/domain/role.ts';
import { sortInSlices } from '../src/domain/scopes.ts';
import { sameList } from '../src/domain/sameList.ts';

/** Creates a role with sorted scopes. Idempotent: succeeds if the stored role is identical. */
export const createRole: Command<Omit<RoleCreated['data'], 'imported'>, RolesState, RoleCreated> = {
  check: ({ scopes }) => refuseDoubleStars(scopes),
  authParams: ({ roleId, scopes }) => ({ roleId, scopes }),
  *decide(input, roles, { work }) {
    const data = { ...input, scopes: yield* sortInSlices(input.scopes, work) };
    const stored = roles.get(data.roleId);
    if (stored) {
      if (stored.description === data.description && sameList(stored.scopes, data.scopes)) return [];
      throw new ApiError(
        'RequestConflict',
        `role ${asCode(data.roleId)} already exists and is different: updateRole changes it`,
        {
          roleId: data.roleId,
        },
      );
    }
    refuseAmbiguousScopes(data.roleId, data.scopes);
    yield* validateRole(data, { roles, cycles: 'all' }, work);
    return [{ type: 'RoleCreated', data }];
  },
};
