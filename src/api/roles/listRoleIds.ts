import type { TimeSliced } from '../../domain/timeSliced.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import { isPaged, piecesOf } from '../../http/page.ts';
import { workFor } from '../../http/workFor.ts';
import { pageOfRoleIds } from './pageOfRoleIds.ts';
import { roleMethod } from './roleMethod.ts';
import type { RoleViews } from './roleReply.ts';
import { allIds } from './shownRole.ts';

/** `listRoleIds`: the ids of roles. */
export function listRoleIds({ projector: { roleGraph }, longWork }: RoleViews): Endpoint {
  return {
    ...roleMethod,
    dialects: ['current'],
    name: 'listRoleIds',
    method: 'get',
    route: '/roleids/',
    query: ['continuationToken', 'limit'],
    scopes: 'auth:list-roles',
    reads: true,
    output: 'list-role-ids-response',
    title: 'List Role IDs',
    description:
      'The roleIds in their order: all of them, or at most `limit`. Go on with the `continuationToken` until there is none.',
    handle(request) {
      const whom = workFor(request);
      if (!isPaged(request.query))
        return { pieces: piecesOf(allIds(roleGraph), { show: asItIs, name: 'roleIds', longWork, whom }) };
      const { ids: roleIds, ...token } = pageOfRoleIds(roleGraph, request.query);
      return { body: { roleIds, ...token } };
    },
  };
}

function* asItIs(roleId: string): TimeSliced<string> {
  return roleId;
}
