import { disableClient as disableClientCommand } from '../../../commands/disableClient.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import { type ClientWriteParts, changeClient } from './changeClient.ts';
import { clientMethod } from './clientMethod.ts';

/** `disableClient`: prevents a client from authenticating. */
export function disableClient(parts: ClientWriteParts): Endpoint {
  return {
    ...clientMethod,
    name: 'disableClient',
    method: 'post',
    route: '/clients/<clientId>/disable',
    scopes: 'auth:disable-client:<clientId>',
    authorization: 'command',
    revokes: true,
    output: 'get-client-response',
    title: 'Disable Client',
    description: 'Keeps a client from authenticating, at once; nothing happens to one that is disabled.',
    handle: (request) =>
      changeClient(parts, request, {
        command: disableClientCommand,
        input: { clientId: request.params['clientId']! },
      }),
  };
}
