import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { isExpired, isInternal } from '../domain/client.ts';
import { AuthenticationFailure } from '../domain/errors.ts';
import type { ClientRow } from '../../projections/clients.ts';
import type { ClientTokens } from './clientTokens.ts';
import type { Projector } from '../readSide/projector.ts';
import type { Signer } from './authenticate.ts';

/** Bytes of the cache of unsealed tokens: some 10,000 tokens. */
const MAX_TOKENS_BYTES = 4 * 1024 * 1024;
const ENTRY_BYTES = 200;

/** A token that nobody has. Signatures that claim a client that does not exist are verified against it. */
const NOBODYS_TOKEN = randomBytes(33).toString('base64url');

/**
 * Makes the function that looks up the client that signs a request. It throws AuthenticationFailure for a client that
 * is unknown, disabled or expired, and TokenMissing or UnsealError if its token cannot be read, which is a fault of the
 * service. If `isGuarded`, it returns such a client with `refused` set instead, so that the signature is verified
 * first.
 */
export function makeResolveSigner(parts: {
  projector: Pick<Projector, 'clients'>;
  clientTokens: Pick<ClientTokens, 'read'>;
  isGuarded?: boolean;
}) {
  const { projector, clientTokens, isGuarded = false } = parts;

  // By credentialId, whose token never changes. The client's row names its current credential.
  const tokens = new LRUCache<string, string>({
    maxSize: MAX_TOKENS_BYTES,
    sizeCalculation: (token, id) => ENTRY_BYTES + 2 * (id.length + token.length),
  });

  return async function resolveSigner(clientId: string, now: Date): Promise<Signer> {
    const client = isInternal(clientId) ? undefined : await projector.clients.get(clientId);
    const refused = reasonToRefuse(client, { clientId, now });
    if (refused !== undefined && !isGuarded) throw new AuthenticationFailure(refused);
    if (!client) return { scopes: [], expires: now, token: NOBODYS_TOKEN, refused };
    const credentialId = client.credential.id;
    const token = tokens.get(credentialId);
    if (token === undefined) {
      const read = await clientTokens.read(client);
      if (read !== undefined) tokens.set(credentialId, read);
      // Meanwhile, the client may have been changed.
      return resolveSigner(clientId, now);
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
