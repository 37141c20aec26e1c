import type { ClientRow } from '../projections/clients.ts';
import type { ClientEvent, Credential } from '../schemas/events/clientEvents.ts';
import type { Command } from '../src/command.ts';
import { STATIC_EXPIRES } from '../src/domain/client.ts';
import { sameList } from '../src/domain/sameList.ts';

export type StaticClientInput = {
  clientId: string;
  /** What configuration says of it; undefined where it is no longer configured. */
  settings?: { description: string; scopes: string[] };
  credential: Credential;
  /** The credential whose token the secret store has lost: a client that refers to it needs a new one. */
  lost?: string;
};

/**
 * Makes a static client what configuration says it is, so that its history shows it. Of several nodes that do so at once,
 * one changes something: the fingerprint tells the others that the token is the configured one already.
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
