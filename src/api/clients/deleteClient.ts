import { deleteClient as deleteClientCommand } from '../../../commands/deleteClient.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import { type ClientWriteParts, changeClient } from './changeClient.ts';
import { clientMethod } from './clientMethod.ts';

/** `deleteClient`: deletes a client. */
export function deleteClient(parts: ClientWriteParts): Endpoint {
  return {
    ...clientMethod,
    name: 'deleteClient',
    method: 'delete',
    route: '/clients/<clientId>',
    scopes: 'auth:delete-client:<clientId>',
    authorization: 'command',
    revokes: true,
    title: 'Delete Client',
    description: 'Removes a client; succeeds also where there is none. Roles that were made for it stay.',
    async handle(request) {
      const input = { clientId: request.params['clientId']! };
      const { position } = await changeClient(parts, request, { command: deleteClientCommand, input });
      return { position };
    },
  };
}
