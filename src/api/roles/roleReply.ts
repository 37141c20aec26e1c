import type { RoleRow } from '../../../projections/roles.ts';
import type { EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import { type Incomplete } from '../../http/incomplete.ts';
import { entryReply } from '../../http/entryReply.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork } from '../../process/longWork.ts';
import { findIncompleteRoles, type Roles, roleListChunks, roleView } from './roleView.ts';

/** The dependencies of methods that read roles. */
export type RoleReadParts = { projector: { roleGraph: Roles }; longWork: LongWork };

/** The reply with one role. Throws ExpansionTooLarge, or adds the role to `incomplete` if that is given. */
export async function roleReply(
  { projector: { roleGraph }, longWork }: RoleReadParts,
  { role, incomplete }: { role: RoleRow; incomplete?: Incomplete },
  request: EndpointRequest,
): Promise<EndpointReply> {
  const owner = workFor(request);
  const entry = await longWork.run(owner, (work) => roleView(roleGraph, { role, incomplete }, work));
  return { ...entryReply(entry, longWork, owner), incomplete };
}

/**
 * The reply with a list of roles, by default of all. Roles that are too large to expand are found first, and named in a
 * header.
 */
export async function rolesReply(
  { projector: { roleGraph }, longWork }: RoleReadParts,
  request: EndpointRequest,
  { ids, ...listing }: { ids?: readonly string[]; name?: string; rest?: Record<string, string> } = {},
): Promise<EndpointReply> {
  const owner = workFor(request);
  const incomplete = await longWork.queue(owner, (work) => findIncompleteRoles(roleGraph, ids, work));
  const chunks = roleListChunks(roleGraph, {
    ...listing,
    ids,
    incomplete,
    schema: 'get-role-response',
    longWork,
    owner,
  });
  return { chunks, incomplete };
}
