import type { RoleRow } from '../projections/roles.ts';
import type { RoleUpdated } from '../schemas/events/roleEvents.ts';
import type { Command } from '../src/command.ts';
import { refuseDoubleStars } from '../src/domain/client.ts';
import { existingRole, validateRole, refuseAmbiguousScopes, type RolesState } from '../src/domain/role.ts';
import { missingInSlices, normalizeInSlices } from '../src/domain/scopes.ts';
import { ExpansionTooLarge, type WorkBudget } from '../src/domain/workBudget.ts';
import type { TimeSliced } from '../src/domain/timeSliced.ts';
import { sameList } from '../src/domain/sameList.ts';

/**
 * Sets a role's description and scopes. The caller needs the scopes that the role's expansion did not hold before. A
 * role that was imported on a cycle can be updated as long as it does not depend on more roles than before.
 */
export const updateRole: Command<RoleUpdated['data'], RolesState, RoleUpdated> = {
  check: ({ scopes }) => refuseDoubleStars(scopes),
  *authParams({ roleId, scopes }, roles, work) {
    const held = yield* expansionOf(existingRole(roles.get(roleId), roleId), roles, work);
    return { roleId, scopesAdded: yield* missingInSlices(held, scopes, work) };
  },
  *decide(data, roles, { work }) {
    const stored = existingRole(roles.get(data.roleId), data.roleId);
    if (stored.description === data.description && sameList(stored.scopes, data.scopes)) return [];
    refuseAmbiguousScopes(data.roleId, data.scopes);
    const cycles = (yield* addsDependency(stored, { roles, next: data }, work)) ? 'all' : 'unbounded';
    yield* validateRole(data, { roles, cycles }, work);
    return [{ type: 'RoleUpdated', data }];
  },
};

/** What a role expands to; if that is too large, its own scopes, which it can then keep or lose. */
function* expansionOf(
  { scopes }: RoleRow,
  roles: RolesState,
  work: WorkBudget,
): TimeSliced<readonly string[]> {
  try {
    return yield* roles.expandInSlices(scopes, work);
  } catch (error) {
    if (!(error instanceof ExpansionTooLarge)) throw error;
  }
  work.refill();
  return yield* normalizeInSlices(scopes, work);
}

function* addsDependency(
  stored: RoleRow,
  { roles, next }: { roles: RolesState; next: RoleUpdated['data'] },
  work: WorkBudget,
): TimeSliced<boolean> {
  const before = yield* roles.dependenciesOf(stored, work);
  const after = yield* roles.dependenciesOf(next, work);
  for (const roleId of after) if (!before.has(roleId)) return true;
  return false;
}
