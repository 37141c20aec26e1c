import type { ClientRow } from '../projections/clients.ts';
import type { ClientDeleted } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { refuseStatic } from '../src/domain/client.ts';

/** Deletes a client. Idempotent: succeeds if there is none. */
export const deleteClient: Command<{ clientId: string }, ClientRow | undefined, ClientDeleted> = {
  authParams: ({ clientId }) => ({ clientId }),
  decide({ clientId }, client) {
    refuseStatic(clientId);
    return client ? [{ type: 'ClientDeleted', data: { clientId } }] : [];
  },
};
