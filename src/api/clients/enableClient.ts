import { enableClient as enableClientCommand } from '../../../commands/enableClient.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import { type ClientWriteParts, changeClient } from './changeClient.ts';
import { clientMethod } from './clientMethod.ts';

/** `enableClient`: lets a disabled client authenticate again. */
export function enableClient(parts: ClientWriteParts): Endpoint {
  return {
    ...clientMethod,
    name: 'enableClient',
    method: 'post',
    route: '/clients/<clientId>/enable',
    scopes: 'auth:enable-client:<clientId>',
    authorization: 'command',
    output: 'get-client-response',
    title: 'Enable Client',
    description: 'Lets a disabled client authenticate again; nothing happens to one that is enabled.',
    handle: (request) =>
      changeClient(parts, request, {
        command: enableClientCommand,
        input: { clientId: request.params['clientId']! },
      }),
  };
}
