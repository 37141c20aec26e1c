import type { RoleRow } from '../../../projections/roles.ts';
import type { EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import { type Incomplete } from '../../http/incomplete.ts';
import { entryReply } from '../../http/entryReply.ts';
import type { RequestedState } from '../../http/requestedState.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork } from '../../process/longWork.ts';
import type { Roles } from '../../readSide/state.ts';
import { findIncompleteRoles, roleListChunks, roleView } from './roleView.ts';

/** The dependencies of methods that read roles. */
export type RoleReadParts = { requestedState: RequestedState; longWork: LongWork };

/** The roles that a reply is made from, and who makes it. */
type ReplyParts<R = Roles> = { roles: R; longWork: LongWork };

/** The reply with one role. Throws ExpansionTooLarge, or adds the role to `incomplete` if that is given. */
export async function roleReply(
  { roles, longWork }: ReplyParts<Pick<Roles, 'expandInSlices'>>,
  { role, incomplete }: { role: RoleRow; incomplete?: Incomplete },
  request: EndpointRequest,
): Promise<EndpointReply> {
  const owner = workFor(request);
  const entry = await longWork.run(owner, (work) => roleView(roles, { role, incomplete }, work));
  return { ...entryReply(entry, longWork, owner), incomplete };
}

/**
 * The reply with a list of roles, by default of all. Roles that are too large to expand are found first, and named in a
 * header.
 */
export async function rolesReply(
  { roles, longWork }: ReplyParts,
  request: EndpointRequest,
  { ids, ...listing }: { ids?: readonly string[]; name?: string; rest?: Record<string, string> } = {},
): Promise<EndpointReply> {
  const owner = workFor(request);
  const incomplete = await longWork.queue(owner, (work) => findIncompleteRoles(roles, ids, work));
  const chunks = roleListChunks(roles, {
    ...listing,
    ids,
    incomplete,
    schema: 'get-role-response',
    longWork,
    owner,
  });
  return { chunks, incomplete };
}
