import type { Keyring, Sealed } from './keyring.ts';
import type { SecretRef, SecretStore } from './secretStore.ts';
import { refuseOverwrite } from './refuseOverwrite.ts';

/** A secret store in memory, for tests; what it keeps is sealed all the same. */
export function memorySecretStore({ keyring }: { keyring: Keyring }): SecretStore {
  const entries = new Map<string, SecretRef & Sealed & { createdAt: string }>();
  const entryAt = ({ clientId, credentialId }: SecretRef) => {
    const entry = entries.get(credentialId);
    return entry?.clientId === clientId ? entry : undefined;
  };

  return {
    async put(place, token) {
      const known = entries.get(place.credentialId);
      if (known)
        return refuseOverwrite(
          place,
          known.clientId === place.clientId && keyring.open(place, known) === token,
        );
      entries.set(place.credentialId, {
        ...place,
        ...keyring.seal(place, token),
        createdAt: new Date().toJSON(),
      });
    },
    async get(place) {
      const entry = entryAt(place);
      return entry && keyring.open(place, entry);
    },
    async destroy(place) {
      if (entryAt(place)) entries.delete(place.credentialId);
    },
    async list({ after = '', limit }) {
      return [...entries.values()]
        .filter(({ credentialId }) => credentialId > after)
        .sort((a, b) => (a.credentialId < b.credentialId ? -1 : 1))
        .slice(0, limit)
        .map(({ sealed: _, ...entry }) => entry);
    },
    async reseal(place) {
      const entry = entryAt(place);
      if (!entry || entry.keyId === keyring.currentKeyId()) return false;
      Object.assign(entry, keyring.seal(place, keyring.open(place, entry)));
      return true;
    },
    probe: async () => undefined,
    close: async () => undefined,
  };
}
