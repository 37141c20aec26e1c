import type { RoleRow } from '../../../projections/roles.ts';
import type { EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import { type Incomplete } from '../../http/incomplete.ts';
import { entryReply } from '../../http/entryReply.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork } from '../../process/longWork.ts';
import { findIncompleteRoles, type Roles, roleListChunks, roleView } from './roleView.ts';

/** What roles are shown from. */
export type RoleReadParts = { projector: { roleGraph: Roles }; longWork: LongWork };

/** One role. Throws ExpansionTooLarge unless it is to be noted as incomplete. */
export async function roleReply(
  { projector: { roleGraph }, longWork }: RoleReadParts,
  { role, incomplete }: { role: RoleRow; incomplete?: Incomplete },
  request: EndpointRequest,
): Promise<EndpointReply> {
  const whom = workFor(request);
  const entry = await longWork.run(whom, (work) => roleView(roleGraph, { role, incomplete }, work));
  return { ...entryReply(entry, longWork, whom), incomplete };
}

/** All roles, or those of some ids, as a list. Which of them are too much to expand is known before the list begins. */
export async function rolesReply(
  { projector: { roleGraph }, longWork }: RoleReadParts,
  request: EndpointRequest,
  { ids, ...listing }: { ids?: readonly string[]; name?: string; rest?: Record<string, string> } = {},
): Promise<EndpointReply> {
  const whom = workFor(request);
  const incomplete = await longWork.queue(whom, (work) => findIncompleteRoles(roleGraph, ids, work));
  const pieces = roleListChunks(roleGraph, {
    ...listing,
    ids,
    incomplete,
    schema: 'get-role-response',
    longWork,
    owner: whom,
  });
  return { chunks: pieces, incomplete };
}
