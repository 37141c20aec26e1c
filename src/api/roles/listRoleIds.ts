import type { TimeSliced } from '../../domain/timeSliced.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import { isPaged } from '../../http/pagination.ts';
import { listChunks } from '../../http/listChunks.ts';
import { workFor } from '../../http/workFor.ts';
import { roleIdsPage } from './roleIdsPage.ts';
import { roleMethod } from './roleMethod.ts';
import type { RoleReadParts } from './roleReply.ts';
import { allRoleIds } from './roleView.ts';

/** `listRoleIds`: the ids of roles. */
export function listRoleIds({ requestedState, longWork }: RoleReadParts): Endpoint {
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
    readsPast: ['auth:audit-history:role'],
    async handle(request) {
      const state = await requestedState(request);
      const { moment } = state;
      const roles = await state.allRoles();
      const format = { toJson: unchanged, name: 'roleIds', longWork, owner: workFor(request) };
      if (!isPaged(request.query)) return { chunks: listChunks(allRoleIds(roles), format), moment };
      const { ids: roleIds, ...token } = roleIdsPage(roles, request.query, state.paged);
      return { body: { roleIds, ...token }, moment };
    },
  };
}

function* unchanged(roleId: string): TimeSliced<string> {
  return roleId;
}
