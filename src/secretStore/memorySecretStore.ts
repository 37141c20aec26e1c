import type { Keyring, Sealed } from './keyring.ts';
import { type SecretRef, type SecretStore, SecretExists } from './secretStore.ts';

/** A secret store in memory, for tests. Its entries are sealed, too. */
export function memorySecretStore({ keyring }: { keyring: Keyring }): SecretStore {
  const entries = new Map<string, SecretRef & Sealed & { createdAt: string }>();
  const entryAt = ({ clientId, credentialId }: SecretRef) => {
    const entry = entries.get(credentialId);
    return entry?.clientId === clientId ? entry : undefined;
  };

  return {
    async put(ref, token) {
      const known = entries.get(ref.credentialId);
      if (known) {
        if (known.clientId !== ref.clientId || keyring.open(ref, known) !== token)
          throw new SecretExists(ref);
        return;
      }
      entries.set(ref.credentialId, {
        ...ref,
        ...keyring.seal(ref, token),
        createdAt: new Date().toJSON(),
      });
    },
    async get(ref) {
      const entry = entryAt(ref);
      return entry && keyring.open(ref, entry);
    },
    async destroy(ref) {
      if (entryAt(ref)) entries.delete(ref.credentialId);
    },
    async list({ after = '', limit }) {
      return [...entries.values()]
        .filter(({ credentialId }) => credentialId > after)
        .sort((a, b) => (a.credentialId < b.credentialId ? -1 : 1))
        .slice(0, limit)
        .map(({ sealed: _, ...entry }) => entry);
    },
    async reseal(ref) {
      const entry = entryAt(ref);
      if (!entry || entry.keyId === keyring.currentKeyId()) return false;
      Object.assign(entry, keyring.seal(ref, keyring.open(ref, entry)));
      return true;
    },
    probe: async () => undefined,
    close: async () => undefined,
  };
}
