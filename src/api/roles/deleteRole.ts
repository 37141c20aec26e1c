import { deleteRole as deleteRoleCommand } from '../../../commands/deleteRole.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import { changeRole, type RoleWriteParts } from './changeRole.ts';
import { roleMethod } from './roleMethod.ts';

/** `deleteRole`: deletes a role. */
export function deleteRole(parts: RoleWriteParts): Endpoint {
  return {
    ...roleMethod,
    name: 'deleteRole',
    method: 'delete',
    route: '/roles/<roleId>',
    scopes: 'auth:delete-role:<roleId>',
    authorization: 'command',
    revokes: true,
    title: 'Delete Role',
    description: 'Removes a role; succeeds also where there is none.',
    async handle(request) {
      const { position } = await changeRole(parts, request, {
        command: deleteRoleCommand,
        input: { roleId: request.params['roleId']! },
      });
      return { position };
    },
  };
}
