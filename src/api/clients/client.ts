import { existingClient } from '../../domain/client.ts';
import type { Endpoint } from '../../http/endpoint.ts';
import { entryReply } from '../../http/entryReply.ts';
import { workFor } from '../../http/workFor.ts';
import { clientMethod } from './clientMethod.ts';
import { type ClientReadParts, clientView } from './clientView.ts';

/** `client`: one client. */
export function client({ projector, lastUsed, longWork }: ClientReadParts): Endpoint {
  return {
    ...clientMethod,
    name: 'client',
    method: 'get',
    route: '/clients/<clientId>',
    scopes: 'auth:get-client:<clientId>',
    reads: true,
    output: 'get-client-response',
    title: 'Get Client',
    description: 'One client, with the scopes it has and all that they expand to; never its accessToken.',
    async handle(request) {
      const clientId = request.params['clientId']!;
      const client = existingClient(await projector.clients.get(clientId), clientId);
      const lastDateUsed = await lastUsed.of(client);
      const owner = workFor(request);
      const entry = await longWork.run(owner, (work) =>
        clientView(projector, { client, lastDateUsed }, work),
      );
      return entryReply(entry, longWork, owner);
    },
  };
}
