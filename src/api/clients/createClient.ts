import type { Logger } from 'pino';
import { createClient as createClientCommand } from '../../../commands/createClient.ts';
import type { ClientSettings } from '../../../schemas/events/clientEvents.ts';
import type { Endpoint, EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import type { MakeSecret } from '../../secretStore/newSecret.ts';
import type { SecretStore } from '../../secretStore/secretStore.ts';
import { type ClientWriteParts, changedClientReply, runOnClient } from './changeClient.ts';
import { clientMethod } from './clientMethod.ts';

type Body = Omit<ClientSettings, 'scopes'> & { scopes?: string[] };
type Parts = ClientWriteParts & {
  makeSecret: MakeSecret;
  secretStore: Pick<SecretStore, 'get'>;
  log: Logger;
};

/** `createClient`: creates a client and returns its token. */
export function createClient(parts: Parts): Endpoint {
  const { makeSecret, secretStore, log } = parts;

  /**
   * Creates a client. The request is idempotent, because official clients retry when they get no reply: a repeated one
   * returns the token of the first. `missingToken` is the credential whose token was missing in the previous try.
   */
  async function create(request: EndpointRequest, missingToken?: string): Promise<EndpointReply> {
    const clientId = request.params['clientId']!;
    const secret = makeSecret(clientId);
    const { scopes = [], ...settings } = request.body as Body;
    const input = { clientId, ...settings, scopes, credential: secret.credential };
    const outcome = await runOnClient(parts, request, { command: createClientCommand, input, secret });
    const row = outcome.row!;
    const credentialId = row.credential.id;
    const isNew = credentialId === secret.credential.id;
    const accessToken = isNew ? secret.token : await secretStore.get({ clientId, credentialId });
    if (accessToken === undefined) {
      if (credentialId === missingToken)
        throw new Error(`the secret store has no entry ${credentialId}, which client ${clientId} refers to`);
      // A reset meanwhile destroyed the token. Then the next try is a conflict.
      return create(request, credentialId);
    }
    if (!isNew) {
      // The caller may have lost the scopes since the first request.
      await request.authorize({ clientId, scopes });
      const { caller, origin } = request;
      log.info(
        { requestId: origin.requestId, clientId, actor: caller.clientId },
        'createClient was sent again: the token that the client was created with is told again',
      );
    }
    return {
      ...(await changedClientReply(parts, { client: row, accessToken }, request)),
      position: outcome.position,
    };
  }

  return {
    ...clientMethod,
    name: 'createClient',
    method: 'put',
    route: '/clients/<clientId>',
    scopes: { AllOf: ['auth:create-client:<clientId>', { for: 'scope', in: 'scopes', each: '<scope>' }] },
    authorization: 'command',
    input: 'create-client-request',
    output: 'create-client-response',
    title: 'Create Client',
    description:
      'Creates a client and gives its `accessToken`, which can never be read again: keep it, or reset it when it is lost. ' +
      'The caller needs all scopes that the client gets. A client that exists already is a conflict, but for the same request ' +
      'within 15 minutes: as long as nothing of the client was changed, it changes nothing and gives the same `accessToken`.',
    handle: (request) => create(request),
  };
}
