import type { RoleRow } from '../../../projections/roles.ts';
import type { EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import { entryReply, type Incomplete } from '../../http/expandedEntry.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork } from '../../process/longWork.ts';
import { incompleteAmong, type Roles, rolesInPieces, shownRole } from './shownRole.ts';

/** What roles are shown from. */
export type RoleViews = { projector: { roleGraph: Roles }; longWork: LongWork };

/** One role. Throws ExpansionTooLarge unless it is to be noted as incomplete. */
export async function roleReply(
  { projector: { roleGraph }, longWork }: RoleViews,
  { role, incomplete }: { role: RoleRow; incomplete?: Incomplete },
  request: EndpointRequest,
): Promise<EndpointReply> {
  const whom = workFor(request);
  const entry = await longWork.run(whom, (work) => shownRole(roleGraph, { role, incomplete }, work));
  return { ...entryReply(entry, longWork, whom), incomplete };
}

/** All roles, or those of some ids, as a list. Which of them are too much to expand is known before the list begins. */
export async function rolesReply(
  { projector: { roleGraph }, longWork }: RoleViews,
  request: EndpointRequest,
  { ids, ...listing }: { ids?: readonly string[]; name?: string; rest?: Record<string, string> } = {},
): Promise<EndpointReply> {
  const whom = workFor(request);
  const incomplete = await longWork.queue(whom, (work) => incompleteAmong(roleGraph, ids, work));
  const pieces = rolesInPieces(roleGraph, {
    ...listing,
    ids,
    incomplete,
    schema: 'get-role-response',
    longWork,
    whom,
  });
  return { pieces, incomplete };
}
