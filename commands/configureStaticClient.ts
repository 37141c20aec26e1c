import type { ClientRow } from '../projections/clients.ts';
import type { ClientEvent, Credential } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { STATIC_EXPIRES } from '../src/domain/client.ts';
import { sameList } from '../src/domain/sameList.ts';

export type StaticClientInput = {
  clientId: string;
  /** The configured settings; undefined if the client is no longer configured. */
  settings?: { description: string; scopes: string[] };
  credential: Credential;
  /** The id of a credential whose token is missing in the secret store: a client that refers to it gets a new one. */
  lost?: string;
};

/**
 * Brings a static client in line with the configuration, so that its history shows the change. If several nodes do so
 * at once, only one writes events: the fingerprint tells the others that the token is the configured one already.
 */
export const configureStaticClient: Command<StaticClientInput, ClientRow | undefined, ClientEvent> = {
  authParams: ({ clientId }) => ({ clientId }),
  decide({ clientId, settings, credential, lost }, client) {
    if (!settings) return client ? [{ type: 'ClientDeleted', data: { clientId } }] : [];
    const data = { clientId, ...settings, expires: STATIC_EXPIRES, deleteOnExpiration: false };
    if (!client) return [{ type: 'ClientCreated', data: { ...data, credential } }];
    const events: ClientEvent[] = [];
    if (client.description !== data.description || !sameList(client.scopes, data.scopes)) {
      events.push({ type: 'ClientUpdated', data });
    }
    const { id, fingerprint } = client.credential;
    if (fingerprint !== credential.fingerprint || id === lost)
      events.push({ type: 'AccessTokenReset', data: { clientId, credential } });
    return events;
  },
};
