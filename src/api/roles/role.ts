import { existingRole } from '../../domain/role.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import { roleMethod } from './roleMethod.ts';
import { roleReply, type RoleReadParts } from './roleReply.ts';

/** `role`: one role. */
export function role(views: RoleReadParts): Endpoint {
  return {
    ...roleMethod,
    name: 'role',
    method: 'get',
    route: '/roles/<roleId>',
    scopes: 'auth:get-role:<roleId>',
    reads: true,
    output: 'get-role-response',
    title: 'Get Role',
    description: 'One role, with the scopes it has and all that it expands to.',
    handle: (request) =>
      roleReply(views, { role: existingRole(views.projector.roleGraph, request.params['roleId']!) }, request),
  };
}
