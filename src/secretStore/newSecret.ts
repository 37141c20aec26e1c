import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { v7 as uuid } from 'uuid';
import type { Credential } from '../../schemas/events/clientEvents.ts';
import type { SecretRef, SecretStore } from './secretStore.ts';

/** A token that is about to be given to a client, the place it will have, and what events say of it. */
export type NewSecret = { token: string; ref: SecretRef; credential: Credential };
export type MakeSecret = (clientId: string, token?: string) => NewSecret;

/** Where the key of the fingerprints lies. No clientId holds a space, and no credentialId looks like this. */
const FINGERPRINT_KEY: SecretRef = { clientId: 'fingerprint key', credentialId: 'fingerprint-key' };

/** Whether an entry of the secret store belongs to the service itself, not to a client. */
export function isServiceSecret({ credentialId }: SecretRef): boolean {
  return credentialId === FINGERPRINT_KEY.credentialId;
}

/**
 * Makes secrets for clients: with a random token, or with a given one. The fingerprint in the credential is an HMAC of
 * the token under a key of its own, kept in the secret store: a plain hash of a weak token would stand in the log for ever.
 */
export async function secretMaker(secretStore: SecretStore): Promise<MakeSecret> {
  const key = await getOrCreateFingerprintKey(secretStore);
  return (clientId, token = randomToken()) => {
    // Ids that grow with time stand beside each other in the store: many new ones are one place to write to.
    const id = uuid();
    const fingerprint = createHmac('sha256', key).update(token).digest('hex').slice(0, 32);
    return { token, ref: { clientId, credentialId: id }, credential: { id, fingerprint } };
  };
}

/** 44 characters: two random UUIDs in URL-safe base64, as Taskcluster's own tokens are. */
export function randomToken(): string {
  const uuid = (): string => Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
  return uuid() + uuid();
}

/** The key, made by whoever comes first. */
async function getOrCreateFingerprintKey(secretStore: SecretStore): Promise<string> {
  const stored = await secretStore.get(FINGERPRINT_KEY);
  if (stored !== undefined) return stored;
  const made = randomBytes(32).toString('base64url');
  try {
    await secretStore.put(FINGERPRINT_KEY, made);
    return made;
  } catch (error) {
    const other = await secretStore.get(FINGERPRINT_KEY);
    if (other === undefined) throw error;
    return other;
  }
}
