import { isTaken, type Mongo } from '../storage/openMongo.ts';
import type { Keyring } from './keyring.ts';
import type { SecretRef, SecretStore } from './secretStore.ts';
import { refuseOverwrite } from './refuseOverwrite.ts';

type Entry = { _id: string; clientId: string; keyId: string; sealed: Buffer; createdAt: string };

/** Sealed tokens in MongoDB, or a server that speaks its protocol. */
export function mongoSecretStore({ mongo, keyring }: { mongo: Mongo; keyring: Keyring }): SecretStore {
  const { reaching } = mongo;
  const secrets = () => mongo.collection<Entry>('secrets');

  /** Filters name _id alone, which never gets another entry: some compatible servers look through all where there is more. */
  async function entryAt({ clientId, credentialId: _id }: SecretRef): Promise<Entry | undefined> {
    const entry = await reaching(() => secrets().findOne({ _id }));
    return entry?.clientId === clientId ? (entry as Entry) : undefined;
  }

  return {
    async put(place, token) {
      const { clientId, credentialId: _id } = place;
      const entry = { _id, clientId, ...keyring.seal(place, token), createdAt: new Date().toJSON() };
      try {
        await reaching(() => secrets().insertOne(entry));
      } catch (error) {
        if (!isTaken(error)) throw error;
        const known = await entryAt(place);
        refuseOverwrite(place, known !== undefined && keyring.open(place, known) === token);
      }
    },
    async get(place) {
      const entry = await entryAt(place);
      return entry && keyring.open(place, entry);
    },
    async destroy(place) {
      if (await entryAt(place)) await reaching(() => secrets().deleteOne({ _id: place.credentialId }));
    },
    async list({ after = '', limit }) {
      const entries = await reaching(() =>
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
    async reseal(place) {
      const entry = await entryAt(place);
      if (!entry || entry.keyId === keyring.currentKeyId()) return false;
      // The same token, whoever seals it last; an entry that was destroyed meanwhile stays so.
      const next = keyring.seal(place, keyring.open(place, entry));
      const sealing = () => secrets().updateOne({ _id: place.credentialId }, { $set: next });
      return (await reaching(sealing)).matchedCount > 0;
    },
    probe: () => mongo.probe(),
    close: () => mongo.close(),
  };
}
