import { existingRole } from '../../domain/role.ts';
import { grantingScope } from '../../domain/roleDefinition.ts';
import { type Endpoint, PAST_EXPANSION } from '../../http/endpoint.ts';
import { roleMethod } from './roleMethod.ts';
import { roleReply, type RoleReadParts } from './roleReply.ts';

/** `role`: one role. */
export function role(parts: RoleReadParts): Endpoint {
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
    readsPast: PAST_EXPANSION,
    async handle(request) {
      const roleId = request.params['roleId']!;
      const state = await parts.requestedState(request);
      const role = existingRole(await state.role(roleId), roleId, state.moment?.position);
      const roles = await state.rolesReachedBy([grantingScope(roleId)]);
      return { ...(await roleReply({ ...parts, roles }, { role }, request)), moment: state.moment };
    },
  };
}
