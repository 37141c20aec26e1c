import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { v7 as uuid } from 'uuid';
import type { Credential } from '../../schemas/events/clientEvents.ts';
import type { SecretRef, SecretStore } from './secretStore.ts';

/** A new token for a client, where it will be stored, and the credential that events will contain. */
export type NewSecret = { token: string; ref: SecretRef; credential: Credential };
export type MakeSecret = (clientId: string, token?: string) => NewSecret;

/** The entry of the fingerprint key. No clientId contains a space, and no credentialId looks like this. */
const FINGERPRINT_KEY: SecretRef = { clientId: 'fingerprint key', credentialId: 'fingerprint-key' };

/** Whether an entry belongs to the service itself rather than to a client. */
export function isServiceSecret({ credentialId }: SecretRef): boolean {
  return credentialId === FINGERPRINT_KEY.credentialId;
}

/**
 * Makes secrets for clients, with a random token or a given one. The credential's fingerprint is an HMAC of the token
 * under a key of its own, kept in the secret store: a plain hash of a weak token would stay in the log for ever, open
 * to guessing.
 */
export async function secretMaker(secretStore: SecretStore): Promise<MakeSecret> {
  const key = await getOrCreateFingerprintKey(secretStore);
  return (clientId, token = randomToken()) => {
    // UUIDs of version 7 grow with time, so that many new entries are written next to each other.
    const id = uuid();
    const fingerprint = createHmac('sha256', key).update(token).digest('hex').slice(0, 32);
    return { token, ref: { clientId, credentialId: id }, credential: { id, fingerprint } };
  };
}

/** 44 characters: two random UUIDs in URL-safe base64, like Taskcluster's own tokens. */
export function randomToken(): string {
  const uuid = (): string => Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
  return uuid() + uuid();
}

/** The fingerprint key, which the first process creates. */
async function getOrCreateFingerprintKey(secretStore: SecretStore): Promise<string> {
  const stored = await secretStore.get(FINGERPRINT_KEY);
  if (stored !== undefined) return stored;
  const newKey = randomBytes(32).toString('base64url');
  try {
    await secretStore.put(FINGERPRINT_KEY, newKey);
    return newKey;
  } catch (error) {
    const other = await secretStore.get(FINGERPRINT_KEY);
    if (other === undefined) throw error;
    return other;
  }
}
