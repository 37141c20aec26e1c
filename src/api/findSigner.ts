import { isExpired, isInternal } from '../domain/client.ts';
import { AuthenticationFailure } from '../domain/errors.ts';
import type { ClientRow } from '../../projections/clients.ts';
import type { ClientTokens } from '../clientTokens.ts';
import type { Projector } from '../project.ts';
import { RecentlyUsed } from '../domain/recentlyUsed.ts';
import type { Signer } from './authenticate.ts';

/** Bytes of tokens that are kept in memory after they were unsealed: some 10,000 tokens. */
const MOST_TOKENS = 4 * 1024 * 1024;
const AROUND = 200;

/**
 * Finds the clients that may sign requests. Throws AuthenticationFailure for one that is unknown, disabled or expired,
 * and what reading tokens throws when a client's is missing from the secret store: that is our fault, not the caller's.
 */
export function makeFindSigner(parts: {
  projector: Pick<Projector, 'clients'>;
  clientTokens: Pick<ClientTokens, 'read'>;
}) {
  const { projector, clientTokens } = parts;

  // By credentialId, under which there is never another token: the client's row says which of them counts.
  const tokens = new RecentlyUsed<string>(
    MOST_TOKENS,
    (id, token) => AROUND + 2 * (id.length + token.length),
  );

  async function usable(clientId: string, now: Date): Promise<ClientRow> {
    const client = isInternal(clientId) ? undefined : await projector.clients.get(clientId);
    if (!client) throw new AuthenticationFailure(`client ${clientId} not found`);
    if (client.disabled) throw new AuthenticationFailure(`client ${clientId} is disabled`);
    if (isExpired(client, now)) throw new AuthenticationFailure(`client ${clientId} has expired`);
    return client;
  }

  async function tokenOf(client: ClientRow, now: Date): Promise<string> {
    const { id } = client.credential;
    const known = tokens.get(id);
    if (known !== undefined) return known;
    const token = await clientTokens.read(client);
    if (token === undefined) return tokenOf(await usable(client.clientId, now), now);
    tokens.set(id, token);
    return token;
  }

  return async function findSigner(clientId: string, now: Date): Promise<Signer> {
    const client = await usable(clientId, now);
    return {
      scopes: client.scopes,
      expires: new Date(client.expires),
      revision: client.revision,
      token: () => tokenOf(client, now),
    };
  };
}
