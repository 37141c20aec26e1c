import type { RoleRow } from '../projections/roles.ts';
import type { RoleUpdated } from '../schemas/events/roleEvents.ts';
import type { Command } from '../src/command.ts';
import { refuseDoubleStars } from '../src/domain/client.ts';
import { existingRole, judgeRole, refuseAmbiguousScopes, type RolesState } from '../src/domain/role.ts';
import { findingMissing, normalizing } from '../src/domain/scopes.ts';
import { ExpansionTooLarge, type Sliced, type Work } from '../src/domain/work.ts';
import { sameList } from '../src/domain/sameList.ts';

/**
 * A new description and new scopes for a role. The caller needs what its expansion did not hold before. A role that was
 * imported with a cycle may be changed, too, as long as it comes to depend on no other roles than before.
 */
export const updateRole: Command<RoleUpdated['data'], RolesState, RoleUpdated> = {
  check: ({ scopes }) => refuseDoubleStars(scopes),
  *authParams({ roleId, scopes }, roles, work) {
    const held = yield* heldBy(existingRole(roles, roleId), roles, work);
    return { roleId, scopesAdded: yield* findingMissing(held, scopes, work) };
  },
  *decide(data, roles, { work }) {
    const stored = existingRole(roles, data.roleId);
    if (stored.description === data.description && sameList(stored.scopes, data.scopes)) return [];
    refuseAmbiguousScopes(data.roleId, data.scopes);
    const cycles = (yield* addsDependency(stored, { roles, next: data }, work)) ? 'all' : 'endless';
    yield* judgeRole(data, { roles, cycles }, work);
    return [{ type: 'RoleUpdated', data }];
  },
};

/** What a role expands to; where that is too much, its own scopes: these it may keep, and have fewer of. */
function* heldBy({ scopes }: RoleRow, roles: RolesState, work: Work): Sliced<readonly string[]> {
  try {
    return yield* roles.expanding(scopes, work);
  } catch (error) {
    if (!(error instanceof ExpansionTooLarge)) throw error;
  }
  work.renew();
  return yield* normalizing(scopes, work);
}

function* addsDependency(
  stored: RoleRow,
  { roles, next }: { roles: RolesState; next: RoleUpdated['data'] },
  work: Work,
): Sliced<boolean> {
  const before = yield* roles.dependenciesOf(stored, work);
  const after = yield* roles.dependenciesOf(next, work);
  for (const roleId of after) if (!before.has(roleId)) return true;
  return false;
}
