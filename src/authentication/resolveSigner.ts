import { randomBytes } from 'node:crypto';
import { isExpired, isInternal } from '../domain/client.ts';
import { AuthenticationFailure } from '../domain/errors.ts';
import type { ClientRow } from '../../projections/clients.ts';
import type { ClientTokens } from './clientTokens.ts';
import type { Projector } from '../readSide/projector.ts';
import { RecentlyUsed } from '../domain/recentlyUsed.ts';
import type { Signer } from './authenticate.ts';

/** Bytes of tokens that are kept in memory after they were unsealed: some 10,000 tokens. */
const MOST_TOKENS = 4 * 1024 * 1024;
const AROUND = 200;

/** Nobody has it: what claims to be from a client that is not there is verified with it. */
const NOBODYS_TOKEN = randomBytes(33).toString('base64url');

/**
 * Finds the clients that may sign requests. Throws AuthenticationFailure for one that is unknown, disabled or expired,
 * and what reading tokens throws when a client's is missing from the secret store: that is our fault, not the caller's. Where it
 * `isGuarded`, such a client is answered all the same, as `refused`, so that the signature is looked at first.
 */
export function makeResolveSigner(parts: {
  projector: Pick<Projector, 'clients'>;
  clientTokens: Pick<ClientTokens, 'read'>;
  isGuarded?: boolean;
}) {
  const { projector, clientTokens, isGuarded = false } = parts;

  // By credentialId, under which there is never another token: the client's row says which of them counts.
  const tokens = new RecentlyUsed<string>(
    MOST_TOKENS,
    (id, token) => AROUND + 2 * (id.length + token.length),
  );

  return async function findSigner(clientId: string, now: Date): Promise<Signer> {
    const client = isInternal(clientId) ? undefined : await projector.clients.get(clientId);
    const refused = reasonToRefuse(client, { clientId, now });
    if (refused !== undefined && !isGuarded) throw new AuthenticationFailure(refused);
    if (!client) return { scopes: [], expires: now, token: NOBODYS_TOKEN, refused };
    const credentialId = client.credential.id;
    const token = tokens.get(credentialId);
    if (token === undefined) {
      const read = await clientTokens.read(client);
      if (read !== undefined) tokens.set(credentialId, read);
      // That may have taken a while, in which the client was changed.
      return findSigner(clientId, now);
    }
    const { scopes, revision } = client;
    return { scopes, expires: new Date(client.expires), token, credentialId, revision, refused };
  };
}

function reasonToRefuse(
  client: ClientRow | undefined,
  { clientId, now }: { clientId: string; now: Date },
): string | undefined {
  if (!client) return `client ${clientId} not found`;
  if (client.disabled) return `client ${clientId} is disabled`;
  return isExpired(client, now) ? `client ${clientId} has expired` : undefined;
}
