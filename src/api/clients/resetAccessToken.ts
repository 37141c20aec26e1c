import { resetAccessToken as resetAccessTokenCommand } from '../../../commands/resetAccessToken.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import type { MakeSecret } from '../../secretStore/newSecret.ts';
import { type ClientWriteParts, changeClient } from './changeClient.ts';
import { clientMethod } from './clientMethod.ts';

/** `resetAccessToken`: replaces the token of a client. */
export function resetAccessToken(parts: ClientWriteParts & { makeSecret: MakeSecret }): Endpoint {
  return {
    ...clientMethod,
    name: 'resetAccessToken',
    method: 'post',
    route: '/clients/<clientId>/reset',
    scopes: 'auth:reset-access-token:<clientId>',
    authorization: 'command',
    revokes: true,
    output: 'create-client-response',
    title: 'Reset Access Token',
    description: 'Ends the `accessToken` of a client and gives it a new one, which can never be read again.',
    handle(request) {
      const clientId = request.params['clientId']!;
      const secret = parts.makeSecret(clientId);
      const input = { clientId, credential: secret.credential };
      return changeClient(parts, request, { command: resetAccessTokenCommand, input, secret });
    },
  };
}
