import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { SecretKey } from '../config/jsonSettings.ts';
import { type SecretRef, UnsealError } from './secretStore.ts';

/** A token at rest: sealed with AES-256-GCM under the key of this id; `sealed` is nonce, ciphertext and tag. */
export type Sealed = { keyId: string; sealed: Buffer };

/**
 * Seals and opens tokens. A sealed token is bound to its entry, and does not open under another. Keys never leave the
 * keyring.
 */
export type Keyring = {
  seal(ref: SecretRef, token: string): Sealed;
  /** Throws UnsealError if the key is unknown, or if the entry or the bytes differ from those that were sealed. */
  open(ref: SecretRef, sealed: Sealed): string;
  /** The id of the key that new tokens are sealed under. */
  currentKeyId(): string;
  keyIds(): string[];
};

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * A keyring over the keys that `readKeys` returns, the current one first. They are read again if `haveChanged` says so
 * before a token is sealed, and when a token is opened that was sealed under an unknown key.
 */
export function keyring(readKeys: () => SecretKey[], haveChanged: () => boolean = () => false): Keyring {
  let keys = readKeys();
  const current = (): SecretKey => keys[0]!;
  function find(id: string): SecretKey | undefined {
    return keys.find((key) => key.id === id);
  }

  return {
    seal(ref, token) {
      if (haveChanged()) keys = readKeys();
      const { id, key } = current();
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associatedData(ref, id));
      const ciphertext = Buffer.concat([cipher.update(token, 'utf8'), cipher.final()]);
      return { keyId: id, sealed: Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]) };
    },
    open(ref, { keyId, sealed }) {
      if (!find(keyId)) keys = readKeys();
      const known = find(keyId);
      if (!known)
        throw new UnsealError(
          `the secret ${ref.credentialId} is sealed under the key ${keyId}, which is not in the keyring`,
        );
      const [nonce, tag] = [sealed.subarray(0, NONCE_BYTES), sealed.subarray(-TAG_BYTES)];
      try {
        const decipher = createDecipheriv('aes-256-gcm', known.key, nonce, { authTagLength: TAG_BYTES })
          .setAAD(associatedData(ref, keyId))
          .setAuthTag(tag);
        return Buffer.concat([
          decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)),
          decipher.final(),
        ]).toString('utf8');
      } catch {
        throw new UnsealError(
          `the secret ${ref.credentialId} cannot be opened: it was changed, or moved from another ref`,
        );
      }
    },
    currentKeyId() {
      if (haveChanged()) keys = readKeys();
      return current().id;
    },
    keyIds: () => keys.map(({ id }) => id),
  };
}

/** The associated data of a seal, in an encoding that is unique for each entry and key. */
function associatedData({ clientId, credentialId }: SecretRef, keyId: string): Buffer {
  return Buffer.from(JSON.stringify([clientId, credentialId, keyId]));
}
