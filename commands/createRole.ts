import type { RoleCreated } from '../schemas/events/roleEvents.ts';
import type { Command } from '../src/command.ts';
import { refuseDoubleStars } from '../src/domain/client.ts';
import { ApiError } from '../src/domain/errors.ts';
import { asCode } from '../src/domain/markdown.ts';
import { refuseAmbiguousScopes, refuseCycle, refuseSpread, type RolesState } from '../src/domain/role.ts';
import { compareScopes } from '../src/domain/scopes.ts';
import { sameList } from '../src/domain/sameList.ts';

/**
 * A new role, its scopes sorted; one that is identical to the stored one succeeds again. `imported` are facts of its
 * life in another deployment, which may have allowed cycles: then only those that would expand without end are refused.
 */
export const createRole: Command<RoleCreated['data'], RolesState, RoleCreated> = {
  check: ({ scopes }) => refuseDoubleStars(scopes),
  authParams: ({ roleId, scopes }) => ({ roleId, scopes }),
  decide(input, roles) {
    const data = { ...input, scopes: input.scopes.toSorted(compareScopes) };
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
    const row = asRow(data);
    refuseCycle(data.imported ? roles.endlessThrough(row) : roles.cycleThrough(row));
    refuseSpread(roles.spreadThrough(row));
    return [{ type: 'RoleCreated', data }];
  },
};

/** The row as far as the graph looks at it. */
function asRow({ roleId, scopes, description }: RoleCreated['data']) {
  return { roleId, scopes, description, created: '', lastModified: '' };
}
