import { updateRole as updateRoleCommand } from '../../../commands/updateRole.ts';
import type { RoleSettings } from '../../../schemas/events/roleEvents.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import { changeRole, type RoleWriteParts } from './changeRole.ts';
import { roleMethod } from './roleMethod.ts';

/** `updateRole`: gives a role a new description and new scopes. */
export function updateRole(parts: RoleWriteParts): Endpoint {
  return {
    ...roleMethod,
    name: 'updateRole',
    method: 'post',
    route: '/roles/<roleId>',
    scopes: { AllOf: ['auth:update-role:<roleId>', { for: 'scope', in: 'scopesAdded', each: '<scope>' }] },
    authorization: 'command',
    input: 'create-role-request',
    output: 'get-role-response',
    title: 'Update Role',
    description:
      'Gives a role a new description and new scopes. The caller needs the scopes that the role did not expand to before. ' +
      'Roles that would depend on each other in a cycle are refused.',
    handle(request) {
      const input = { roleId: request.params['roleId']!, ...(request.body as RoleSettings) };
      return changeRole(parts, request, { command: updateRoleCommand, input });
    },
  };
}
