import { isTaken, type Mongo, reaching } from '../openMongo.ts';
import type { Keyring } from './keyring.ts';
import type { Place, SecretStore } from './secretStore.ts';
import { refuseTaken } from './taken.ts';

type Entry = { _id: string; clientId: string; keyId: string; sealed: Buffer; createdAt: string };

/** Sealed tokens in MongoDB, or a server that speaks its protocol. */
export function mongoSecretStore({ mongo, keyring }: { mongo: Mongo; keyring: Keyring }): SecretStore {
  const secrets = mongo.collection<Entry>('secrets');

  async function entryAt({ clientId, credentialId: _id }: Place): Promise<Entry | undefined> {
    return (await reaching(() => secrets.findOne({ _id, clientId }))) ?? undefined;
  }

  return {
    async put(place, token) {
      const { clientId, credentialId: _id } = place;
      const entry = { _id, clientId, ...keyring.seal(place, token), createdAt: new Date().toJSON() };
      try {
        await reaching(() => secrets.insertOne(entry));
      } catch (error) {
        if (!isTaken(error)) throw error;
        const known = await entryAt(place);
        refuseTaken(place, known !== undefined && keyring.open(place, known) === token);
      }
    },
    async get(place) {
      const entry = await entryAt(place);
      return entry && keyring.open(place, entry);
    },
    async destroy({ clientId, credentialId: _id }) {
      await reaching(() => secrets.deleteOne({ _id, clientId }));
    },
    async list({ after = '', limit }) {
      const entries = await reaching(() =>
        secrets
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
    async reseal(place) {
      const entry = await entryAt(place);
      if (!entry || entry.keyId === keyring.currentKeyId()) return false;
      const next = keyring.seal(place, keyring.open(place, entry));
      // Only what is still sealed as it was read: an entry that was destroyed or sealed anew meanwhile stays so.
      const asRead = { _id: place.credentialId, keyId: entry.keyId, sealed: entry.sealed };
      return (await reaching(() => secrets.updateOne(asRead, { $set: next }))).matchedCount > 0;
    },
    close: () => mongo.close(),
  };
}
