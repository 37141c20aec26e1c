import { type Endpoint, PAST_EXPANSION } from '../../http/endpoint.ts';
import { roleMethod } from './roleMethod.ts';
import { rolesReply, type RoleReadParts } from './roleReply.ts';

/** `listRoles`: all roles, in one list. */
export function listRoles(parts: RoleReadParts): Endpoint {
  return {
    ...roleMethod,
    name: 'listRoles',
    method: 'get',
    route: '/roles/',
    scopes: 'auth:list-roles',
    reads: true,
    output: 'list-roles-response',
    title: 'List Roles',
    description: 'All roles in the order of their roleIds, each with all scopes that it expands to.',
    readsPast: PAST_EXPANSION,
    async handle(request) {
      const state = await parts.requestedState(request);
      const reply = await rolesReply({ ...parts, roles: await state.allRoles() }, request);
      return { ...reply, moment: state.moment };
    },
  };
}
