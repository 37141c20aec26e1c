import type { ClientRow } from '../projections/clients.ts';
import type { ClientUpdated } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { existingClient, hasSettings, refuseDoubleStars, refuseStatic } from '../src/domain/client.ts';

/** Sets a client's settings; omitted scopes are left unchanged. The caller needs the scopes that are added. */
export const updateClient: Command<ClientUpdated['data'], ClientRow | undefined, ClientUpdated> = {
  check({ clientId, scopes }) {
    refuseStatic(clientId);
    refuseDoubleStars(scopes);
  },
  authParams({ clientId, scopes = [] }, client) {
    const stored = new Set(existingClient(client, clientId).scopes);
    return { clientId, scopesAdded: scopes.filter((scope) => !stored.has(scope)) };
  },
  decide(input, client) {
    const data = { ...input, expires: new Date(input.expires).toJSON() };
    return hasSettings(existingClient(client, input.clientId), data) ? [] : [{ type: 'ClientUpdated', data }];
  },
};
