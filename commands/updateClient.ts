import type { ClientRow } from '../projections/clients.ts';
import type { ClientUpdated } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { existing, refuseDoubleStars, refuseStatic } from '../src/domain/client.ts';
import { sameList } from '../src/domain/sameList.ts';

/** New settings for a client; scopes that are left out stay. The caller needs the scopes that are added. */
export const updateClient: Command<ClientUpdated['data'], ClientRow | undefined, ClientUpdated> = {
  check({ clientId, scopes }) {
    refuseStatic(clientId);
    refuseDoubleStars(scopes);
  },
  authParams({ clientId, scopes = [] }, client) {
    const stored = new Set(existing(client, clientId).scopes);
    return { clientId, scopesAdded: scopes.filter((scope) => !stored.has(scope)) };
  },
  decide(input, client) {
    const data = { ...input, expires: new Date(input.expires).toJSON() };
    return changesNothing(data, existing(client, input.clientId)) ? [] : [{ type: 'ClientUpdated', data }];
  },
};

function changesNothing(data: ClientUpdated['data'], client: ClientRow): boolean {
  return (
    data.description === client.description &&
    data.expires === client.expires &&
    data.deleteOnExpiration === client.deleteOnExpiration &&
    (data.scopes === undefined || sameList(data.scopes, client.scopes))
  );
}
