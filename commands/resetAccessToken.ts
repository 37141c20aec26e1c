import type { ClientRow } from '../projections/clients.ts';
import type { AccessTokenReset } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { existingClient, refuseStatic } from '../src/domain/client.ts';

/** Gives a client a new access token, which replaces the former one. */
export const resetAccessToken: Command<AccessTokenReset['data'], ClientRow | undefined, AccessTokenReset> = {
  authParams: ({ clientId }) => ({ clientId }),
  decide({ clientId, credential }, client) {
    refuseStatic(clientId);
    existingClient(client, clientId);
    return [{ type: 'AccessTokenReset', data: { clientId, credential } }];
  },
};
