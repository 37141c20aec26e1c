import {
  closeSqlite,
  inTransaction,
  reaching,
  sharedCommits,
  type Sqlite,
  writeProbe,
} from '../storage/openSqlite.ts';
import type { Keyring, Sealed } from './keyring.ts';
import type { SecretRef, SecretEntry, SecretStore } from './secretStore.ts';
import { refuseOverwrite } from './refuseOverwrite.ts';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS secrets (
    credentialId TEXT PRIMARY KEY,
    clientId TEXT NOT NULL,
    keyId TEXT NOT NULL,
    sealed BLOB NOT NULL,
    createdAt TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

/** Sealed tokens in a SQLite file that several processes may share. Tokens that come at the same time share a commit. */
export function sqliteSecretStore({ db, keyring }: { db: Sqlite; keyring: Keyring }): SecretStore {
  reaching(db, () => db.exec(SCHEMA));
  const group = sharedCommits<void>(db);
  const find = db.prepare<[string], SecretRef & Sealed>('SELECT * FROM secrets WHERE credentialId = ?');
  const insert = db.prepare<[string, string, string, Buffer, string]>(
    'INSERT INTO secrets VALUES (?, ?, ?, ?, ?)',
  );
  const remove = db.prepare<[string, string]>('DELETE FROM secrets WHERE credentialId = ? AND clientId = ?');
  const page = db.prepare<[string, number], SecretEntry>(
    'SELECT clientId, credentialId, keyId, createdAt FROM secrets WHERE credentialId > ? ORDER BY credentialId LIMIT ?',
  );
  // Only what is still sealed as it was read: an entry that was destroyed or sealed anew meanwhile stays so.
  const replace = db.prepare<[string, Buffer, string, Buffer]>(
    'UPDATE secrets SET keyId = ?, sealed = ? WHERE credentialId = ? AND sealed = ?',
  );

  function entryAt({ clientId, credentialId }: SecretRef): (SecretRef & Sealed) | undefined {
    const entry = reaching(db, () => find.get(credentialId));
    return entry?.clientId === clientId ? entry : undefined;
  }

  return {
    put(place, token) {
      const { keyId, sealed } = keyring.seal(place, token);
      return group.run(() => {
        const known = find.get(place.credentialId);
        if (known)
          refuseOverwrite(place, known.clientId === place.clientId && keyring.open(place, known) === token);
        else insert.run(place.credentialId, place.clientId, keyId, sealed, new Date().toJSON());
      });
    },
    async get(place) {
      const entry = entryAt(place);
      return entry && keyring.open(place, entry);
    },
    destroy: ({ clientId, credentialId }) => group.run(() => void remove.run(credentialId, clientId)),
    list: async ({ after = '', limit }) => reaching(db, () => page.all(after, limit)),
    async reseal(place) {
      const entry = entryAt(place);
      if (!entry || entry.keyId === keyring.currentKeyId()) return false;
      const { keyId, sealed } = keyring.seal(place, keyring.open(place, entry));
      return inTransaction(
        db,
        () => replace.run(keyId, sealed, place.credentialId, entry.sealed).changes > 0,
      );
    },
    probe: async () => inTransaction(db, () => writeProbe(db)),
    async close() {
      await group.idle();
      closeSqlite(db);
    },
  };
}
