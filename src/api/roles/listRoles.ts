import type { Endpoint } from '../../http/endpoint.ts';
import { roleMethod } from './roleMethod.ts';
import { rolesReply, type RoleReadParts } from './roleReply.ts';

/** `listRoles`: all roles, in one list. */
export function listRoles(views: RoleReadParts): Endpoint {
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
    handle: (request) => rolesReply(views, request),
  };
}
