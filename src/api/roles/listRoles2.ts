import { type Endpoint, PAST_EXPANSION } from '../../http/endpoint.ts';
import { isPaged } from '../../http/pagination.ts';
import { roleIdsPage } from './roleIdsPage.ts';
import { roleMethod } from './roleMethod.ts';
import { rolesReply, type RoleReadParts } from './roleReply.ts';

/** `listRoles2`: roles, in pages if they are asked for. */
export function listRoles2(parts: RoleReadParts): Endpoint {
  return {
    ...roleMethod,
    dialects: ['current'],
    name: 'listRoles2',
    method: 'get',
    route: '/roles2/',
    query: ['continuationToken', 'limit'],
    scopes: 'auth:list-roles',
    reads: true,
    output: 'list-roles2-response',
    title: 'List Roles, with pages',
    description:
      'Roles in the order of their roleIds, each with all scopes that it expands to: all of them, or at most `limit`. ' +
      'Go on with the `continuationToken` until there is none.',
    readsPast: PAST_EXPANSION,
    async handle(request) {
      const state = await parts.requestedState(request);
      const roles = await state.allRoles();
      const { ids, ...rest } = isPaged(request.query)
        ? roleIdsPage(roles, request.query, state.paged)
        : { ids: undefined };
      const reply = await rolesReply({ ...parts, roles }, request, { ids, name: 'roles', rest });
      return { ...reply, moment: state.moment };
    },
  };
}
