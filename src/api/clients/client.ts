import { existingClient } from '../../domain/client.ts';
import { type Endpoint, PAST_EXPANSION } from '../../http/endpoint.ts';
import { entryReply } from '../../http/entryReply.ts';
import { workFor } from '../../http/workFor.ts';
import { rolesToExpand } from '../../readSide/state.ts';
import { clientMethod } from './clientMethod.ts';
import { type ClientReadParts, clientView } from './clientView.ts';

/** `client`: one client. */
export function client({ requestedState, longWork }: ClientReadParts): Endpoint {
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
    readsPast: PAST_EXPANSION,
    async handle(request) {
      const clientId = request.params['clientId']!;
      const state = await requestedState(request);
      const client = existingClient(await state.client(clientId), clientId, state.moment?.position);
      const lastDateUsed = await state.lastUsed(client);
      const roles = await rolesToExpand(state, [client.scopes]);
      const owner = workFor(request);
      const entry = await longWork.run(owner, (work) => clientView(roles, { client, lastDateUsed }, work));
      return { ...entryReply(entry, longWork, owner), moment: state.moment };
    },
  };
}
