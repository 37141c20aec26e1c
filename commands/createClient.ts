import type { ClientRow } from '../projections/clients.ts';
import type { ClientCreated } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { refuseDoubleStars, refuseStatic } from '../src/domain/client.ts';
import { ApiError } from '../src/domain/errors.ts';

/** A new client with a new access token. `imported` are facts of its life in another deployment. */
export const createClient: Command<ClientCreated['data'], ClientRow | undefined, ClientCreated> = {
  check({ clientId, scopes }) {
    refuseStatic(clientId);
    refuseDoubleStars(scopes);
  },
  authParams: ({ clientId, scopes }) => ({ clientId, scopes }),
  decide(input, client) {
    if (client) {
      throw new ApiError(
        'RequestConflict',
        `client ${input.clientId} already exists: updateClient changes it, resetAccessToken gives it a new token`,
        { clientId: input.clientId },
      );
    }
    return [{ type: 'ClientCreated', data: { ...input, expires: new Date(input.expires).toJSON() } }];
  },
};
