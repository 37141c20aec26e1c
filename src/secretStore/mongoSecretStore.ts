import { isDuplicateKey, type Mongo } from '../storage/openMongo.ts';
import type { Keyring } from './keyring.ts';
import { type SecretRef, type SecretStore, SecretExists } from './secretStore.ts';

type Entry = { _id: string; clientId: string; keyId: string; sealed: Buffer; createdAt: string };

/** Sealed tokens in MongoDB, or a server that speaks its protocol. */
export function mongoSecretStore({ mongo, keyring }: { mongo: Mongo; keyring: Keyring }): SecretStore {
  const secrets = () => mongo.collection<Entry>('secrets');

  /**
   * Queries filter by _id alone; it identifies the entry, and some compatible servers scan the collection for other
   * filters.
   */
  async function entryAt({ clientId, credentialId: _id }: SecretRef): Promise<Entry | undefined> {
    const entry = await mongo.call(() => secrets().findOne({ _id }));
    return entry?.clientId === clientId ? (entry as Entry) : undefined;
  }

  return {
    async put(ref, token) {
      const { clientId, credentialId: _id } = ref;
      const entry = { _id, clientId, ...keyring.seal(ref, token), createdAt: new Date().toJSON() };
      try {
        await mongo.call(() => secrets().insertOne(entry));
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        const known = await entryAt(ref);
        if (!known || keyring.open(ref, known) !== token) throw new SecretExists(ref);
      }
    },
    async get(ref) {
      const entry = await entryAt(ref);
      return entry && keyring.open(ref, entry);
    },
    async destroy(ref) {
      if (await entryAt(ref)) await mongo.call(() => secrets().deleteOne({ _id: ref.credentialId }));
    },
    async list({ after = '', limit }) {
      const entries = await mongo.call(() =>
        secrets()
          .find({ _id: { $gt: after } }, { projection: { sealed: 0 } })
          .sort({ _id: 1 })
          .limit(limit)
          .toArray(),
      );
      return entries.map(({ _id: credentialId, clientId, keyId, createdAt }) => ({
        clientId,
        credentialId,
        keyId,
        createdAt,
      }));
    },
    async reseal(ref) {
      const entry = await entryAt(ref);
      if (!entry || entry.keyId === keyring.currentKeyId()) return false;
      // Concurrent reseals seal the same token, and a deleted entry stays deleted.
      const next = keyring.seal(ref, keyring.open(ref, entry));
      const sealing = () => secrets().updateOne({ _id: ref.credentialId }, { $set: next });
      return (await mongo.call(sealing)).matchedCount > 0;
    },
    probe: () => mongo.probe(),
    close: () => mongo.close(),
  };
}
