import { updateClient as updateClientCommand } from '../../../commands/updateClient.ts';
import type { ClientSettings } from '../../../schemas/events/clientEvents.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import { type ClientWriteParts, changeClient } from './changeClient.ts';
import { clientMethod } from './clientMethod.ts';

type Body = Omit<ClientSettings, 'scopes'> & { scopes?: string[] };

/** `updateClient`: gives a client new settings. */
export function updateClient(parts: ClientWriteParts): Endpoint {
  return {
    ...clientMethod,
    name: 'updateClient',
    method: 'post',
    route: '/clients/<clientId>',
    scopes: {
      AllOf: ['auth:update-client:<clientId>', { for: 'scope', in: 'scopesAdded', each: '<scope>' }],
    },
    authorization: 'command',
    input: 'create-client-request',
    output: 'get-client-response',
    title: 'Update Client',
    description:
      'Gives a client new settings; its clientId and accessToken stay, and so do its scopes when none are given. ' +
      'The caller needs the scopes that are added.',
    handle(request) {
      const input = { clientId: request.params['clientId']!, ...(request.body as Body) };
      return changeClient(parts, request, { command: updateClientCommand, input });
    },
  };
}
