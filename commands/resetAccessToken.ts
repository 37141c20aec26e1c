import type { ClientRow } from '../projections/clients.ts';
import type { AccessTokenReset } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { existing, refuseStatic } from '../src/domain/client.ts';

/** A new access token for a client; the former one ends with it. */
export const resetAccessToken: Command<AccessTokenReset['data'], ClientRow | undefined, AccessTokenReset> = {
  authParams: ({ clientId }) => ({ clientId }),
  decide({ clientId, credential }, client) {
    refuseStatic(clientId);
    existing(client, clientId);
    return [{ type: 'AccessTokenReset', data: { clientId, credential } }];
  },
};
