import type { ClientRow } from '../projections/clients.ts';
import type { ClientExpired } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { isExpired } from '../src/domain/client.ts';

/** Deletes a client that has expired, if it has `deleteOnExpiration`. */
export const expireClient: Command<{ clientId: string }, ClientRow | undefined, ClientExpired> = {
  authParams: ({ clientId }) => ({ clientId }),
  decide({ clientId }, client, { now }) {
    if (!client?.deleteOnExpiration || !isExpired(client, now)) return [];
    return [{ type: 'ClientExpired', data: { clientId, expires: client.expires } }];
  },
};
