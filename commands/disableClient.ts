import type { ClientRow } from '../projections/clients.ts';
import type { ClientDisabled } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { existing, refuseStatic } from '../src/domain/client.ts';

/** Keeps a client from authenticating until it is enabled again. */
export const disableClient: Command<{ clientId: string }, ClientRow | undefined, ClientDisabled> = {
  authParams: ({ clientId }) => ({ clientId }),
  decide({ clientId }, client) {
    refuseStatic(clientId);
    return existing(client, clientId).disabled ? [] : [{ type: 'ClientDisabled', data: { clientId } }];
  },
};
