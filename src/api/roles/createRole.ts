import { createRole as createRoleCommand } from '../../../commands/createRole.ts';
import type { RoleSettings } from '../../../schemas/events/roleEvents.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import { changeRole, type RoleWriteParts } from './changeRole.ts';
import { roleMethod } from './roleMethod.ts';

/** `createRole`: creates a role. */
export function createRole(parts: RoleWriteParts): Endpoint {
  return {
    ...roleMethod,
    name: 'createRole',
    method: 'put',
    route: '/roles/<roleId>',
    scopes: { AllOf: ['auth:create-role:<roleId>', { for: 'scope', in: 'scopes', each: '<scope>' }] },
    authorization: 'command',
    input: 'create-role-request',
    output: 'get-role-response',
    title: 'Create Role',
    description:
      'Creates a role. The caller needs all scopes of the role. Creating an identical role succeeds again, a different ' +
      'one of the same roleId is a conflict, and roles that would depend on each other in a cycle are refused.',
    handle(request) {
      const input = { roleId: request.params['roleId']!, ...(request.body as RoleSettings) };
      return changeRole(parts, request, { command: createRoleCommand, input });
    },
  };
}
