import type { RoleRow } from '../../../projections/roles.ts';
import type { RoleGraph } from '../../domain/roleGraph.ts';
import { grantingScope } from '../../domain/roleReach.ts';
import type { Sliced, Work } from '../../domain/work.ts';
import { expandOrMarkIncomplete, type Incomplete } from '../../http/incomplete.ts';
import { type ExpandedEntry } from '../../http/entryReply.ts';
import { type ListFormat, listChunks } from '../../http/listChunks.ts';

/** Roles that a list reads at a time. */
const BATCH_SIZE = 100;

/** The role-expansion index, with the rows of its roles. */
export type Roles = RoleGraph<RoleRow>;

type RoleView = Omit<RoleRow, 'imported'> & ExpandedEntry;

/** A role as replies show it, in slices. Throws ExpansionTooLarge unless such roles are noted as incomplete. */
export function* roleView(
  graph: Roles,
  { role, incomplete }: { role: RoleRow; incomplete?: Incomplete },
  work: Work,
): Sliced<RoleView> {
  const { roleId, scopes, description, created, lastModified } = role;
  const expand = (counted: Work) => graph.expanding([grantingScope(roleId)], counted);
  const expandedScopes = incomplete
    ? yield* expandOrMarkIncomplete({ name: roleId, scopes, incomplete }, expand, work)
    : yield* expand(work);
  return { roleId, scopes, description, created, lastModified, expandedScopes };
}

/** All ids in their order; one that comes or goes while they are taken is met or not, but none is met twice. */
export function* allRoleIds(graph: Roles): Generator<string> {
  let ids = graph.idsAfter(undefined, BATCH_SIZE);
  while (ids.length > 0) {
    yield* ids;
    ids = graph.idsAfter(ids.at(-1), BATCH_SIZE);
  }
}

/** All roles as replies show them, or those of some ids, in the order of their roleIds, as a list in pieces. */
export function roleListChunks(
  graph: Roles,
  {
    ids = allRoleIds(graph),
    incomplete = new Set<string>(),
    ...listing
  }: Omit<ListFormat<string>, 'toJson'> & { ids?: Iterable<string>; incomplete?: Incomplete },
): AsyncGenerator<string> {
  return listChunks(ids, {
    ...listing,
    *toJson(roleId, work) {
      const role = graph.get(roleId);
      // One that is gone by the time it is its turn is left out.
      return role && (yield* roleView(graph, { role, incomplete }, work));
    },
  });
}

/** Of the roles of these ids, or all, those that are too much to expand, in slices. */
export function* findIncompleteRoles(
  graph: Roles,
  ids: Iterable<string> = allRoleIds(graph),
  work: Work,
): Sliced<Incomplete> {
  const incomplete: Incomplete = new Set();
  for (const roleId of ids) {
    const role = graph.get(roleId);
    if (role) yield* roleView(graph, { role, incomplete }, work);
  }
  return incomplete;
}
