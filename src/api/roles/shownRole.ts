import type { RoleRow } from '../../../projections/roles.ts';
import type { RoleGraph } from '../../domain/roleGraph.ts';
import { grantingScope } from '../../domain/roleDefinition.ts';
import type { WorkBudget } from '../../domain/workBudget.ts';
import type { TimeSliced } from '../../domain/timeSliced.ts';
import { type ExpandedEntry, expandedOr, type Incomplete } from '../../http/expandedEntry.ts';
import { type Listing, piecesOf } from '../../http/page.ts';

/** Roles that a list reads at a time. */
const AT_A_TIME = 100;

/** The role-expansion index, with the rows of its roles. */
export type Roles = RoleGraph<RoleRow>;

type ShownRole = Omit<RoleRow, 'imported'> & ExpandedEntry;

/** A role as replies show it, in slices. Throws ExpansionTooLarge unless such roles are noted as incomplete. */
export function* shownRole(
  graph: Roles,
  { role, incomplete }: { role: RoleRow; incomplete?: Incomplete },
  work: WorkBudget,
): TimeSliced<ShownRole> {
  const { roleId, scopes, description, created, lastModified } = role;
  const expand = (counted: WorkBudget) => graph.expandInSlices([grantingScope(roleId)], counted);
  const expandedScopes = incomplete
    ? yield* expandedOr({ name: roleId, scopes, incomplete }, expand, work)
    : yield* expand(work);
  return { roleId, scopes, description, created, lastModified, expandedScopes };
}

/** All ids in their order; one that comes or goes while they are taken is met or not, but none is met twice. */
export function* allIds(graph: Roles): Generator<string> {
  let ids = graph.idsAfter(undefined, AT_A_TIME);
  while (ids.length > 0) {
    yield* ids;
    ids = graph.idsAfter(ids.at(-1), AT_A_TIME);
  }
}

/** All roles as replies show them, or those of some ids, in the order of their roleIds, as a list in pieces. */
export function rolesInPieces(
  graph: Roles,
  {
    ids = allIds(graph),
    incomplete = new Set<string>(),
    ...listing
  }: Omit<Listing<string>, 'show'> & { ids?: Iterable<string>; incomplete?: Incomplete },
): AsyncGenerator<string> {
  return piecesOf(ids, {
    ...listing,
    *show(roleId, work) {
      const role = graph.get(roleId);
      // One that is gone by the time it is its turn is left out.
      return role && (yield* shownRole(graph, { role, incomplete }, work));
    },
  });
}

/** Of the roles of these ids, or all, those that are too much to expand, in slices. */
export function* incompleteAmong(
  graph: Roles,
  ids: Iterable<string> = allIds(graph),
  work: WorkBudget,
): TimeSliced<Incomplete> {
  const incomplete: Incomplete = new Set();
  for (const roleId of ids) {
    const role = graph.get(roleId);
    if (role) yield* shownRole(graph, { role, incomplete }, work);
  }
  return incomplete;
}
