import type { RoleRow } from '../../../projections/roles.ts';
import { grantingScope } from '../../domain/roleDefinition.ts';
import type { TimeSliced } from '../../domain/timeSliced.ts';
import type { WorkBudget } from '../../domain/workBudget.ts';
import { expandOrMarkIncomplete, type Incomplete } from '../../http/incomplete.ts';
import { type ExpandedEntry } from '../../http/entryReply.ts';
import { type ListFormat, listChunks } from '../../http/listChunks.ts';
import type { Roles } from '../../readSide/state.ts';

/** RoleIds that are read at a time. */
const BATCH_SIZE = 100;

/** A role as replies show it. */
type RoleView = Omit<RoleRow, 'imported'> & ExpandedEntry;

/** Makes the view of a role, in slices. Throws ExpansionTooLarge, or adds the role to `incomplete` if that is given. */
export function* roleView(
  roles: Pick<Roles, 'expandInSlices'>,
  { role, incomplete }: { role: RoleRow; incomplete?: Incomplete },
  work: WorkBudget,
): TimeSliced<RoleView> {
  const { roleId, scopes, description, created, lastModified } = role;
  const expand = (counted: WorkBudget) => roles.expandInSlices([grantingScope(roleId)], counted);
  const expandedScopes = incomplete
    ? yield* expandOrMarkIncomplete({ name: roleId, scopes, incomplete }, expand, work)
    : yield* expand(work);
  return { roleId, scopes, description, created, lastModified, expandedScopes };
}

/**
 * All roleIds in order. One that is created or deleted during the iteration may be missed, but none is returned twice.
 */
export function* allRoleIds(roles: Roles): Generator<string> {
  let ids = roles.idsAfter(undefined, BATCH_SIZE);
  while (ids.length > 0) {
    yield* ids;
    ids = roles.idsAfter(ids.at(-1), BATCH_SIZE);
  }
}

/** A JSON list of roles in chunks; by default of all roles, ordered by roleId. */
export function roleListChunks(
  roles: Roles,
  {
    ids = allRoleIds(roles),
    incomplete = new Set<string>(),
    ...listing
  }: Omit<ListFormat<string>, 'toJson'> & { ids?: Iterable<string>; incomplete?: Incomplete },
): AsyncGenerator<string> {
  return listChunks(ids, {
    ...listing,
    *toJson(roleId, work) {
      const role = roles.get(roleId);
      // A role that was deleted meanwhile is omitted.
      return role && (yield* roleView(roles, { role, incomplete }, work));
    },
  });
}

/** Finds the roles that are too large to expand, by default among all, in slices. */
export function* findIncompleteRoles(
  roles: Roles,
  ids: Iterable<string> = allRoleIds(roles),
  work: WorkBudget,
): TimeSliced<Incomplete> {
  const incomplete: Incomplete = new Set();
  for (const roleId of ids) {
    const role = roles.get(roleId);
    if (role) yield* roleView(roles, { role, incomplete }, work);
  }
  return incomplete;
}
