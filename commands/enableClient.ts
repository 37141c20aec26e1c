import type { ClientRow } from '../projections/clients.ts';
import type { ClientEnabled } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { existingClient, refuseStatic } from '../src/domain/client.ts';

/** Lets a disabled client authenticate again. */
export const enableClient: Command<{ clientId: string }, ClientRow | undefined, ClientEnabled> = {
  authParams: ({ clientId }) => ({ clientId }),
  decide({ clientId }, client) {
    refuseStatic(clientId);
    return existingClient(client, clientId).disabled ? [{ type: 'ClientEnabled', data: { clientId } }] : [];
  },
};
