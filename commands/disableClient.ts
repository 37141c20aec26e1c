import type { ClientRow } from '../projections/clients.ts';
import type { ClientDisabled } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { existingClient, refuseStatic } from '../src/domain/client.ts';

/** Prevents a client from authenticating until it is enabled again. */
export const disableClient: Command<{ clientId: string }, ClientRow | undefined, ClientDisabled> = {
  authParams: ({ clientId }) => ({ clientId }),
  decide({ clientId }, client) {
    refuseStatic(clientId);
    return existingClient(client, clientId).disabled ? [] : [{ type: 'ClientDisabled', data: { clientId } }];
  },
};
