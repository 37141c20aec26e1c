import {
  closeSqlite,
  inTransaction,
  translatingErrors,
  sqliteGroupCommit,
  type Sqlite,
  writeProbe,
} from '../storage/openSqlite.ts';
import type { Keyring, Sealed } from './keyring.ts';
import { type SecretRef, type SecretEntry, type SecretStore, SecretExists } from './secretStore.ts';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS secrets (
    credentialId TEXT PRIMARY KEY,
    clientId TEXT NOT NULL,
    keyId TEXT NOT NULL,
    sealed BLOB NOT NULL,
    createdAt TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

/** Sealed tokens in a SQLite file that several processes may share. Concurrent writes share a commit. */
export function sqliteSecretStore({ db, keyring }: { db: Sqlite; keyring: Keyring }): SecretStore {
  translatingErrors(db, () => db.exec(SCHEMA));
  const group = sqliteGroupCommit<void>(db);
  const find = db.prepare<[string], SecretRef & Sealed>('SELECT * FROM secrets WHERE credentialId = ?');
  const insert = db.prepare<[string, string, string, Buffer, string]>(
    'INSERT INTO secrets VALUES (?, ?, ?, ?, ?)',
  );
  const remove = db.prepare<[string, string]>('DELETE FROM secrets WHERE credentialId = ? AND clientId = ?');
  const page = db.prepare<[string, number], SecretEntry>(
    'SELECT clientId, credentialId, keyId, createdAt FROM secrets WHERE credentialId > ? ORDER BY credentialId LIMIT ?',
  );
  // Only if the entry is still as it was read: one that was deleted or resealed meanwhile stays so.
  const replace = db.prepare<[string, Buffer, string, Buffer]>(
    'UPDATE secrets SET keyId = ?, sealed = ? WHERE credentialId = ? AND sealed = ?',
  );

  function entryAt({ clientId, credentialId }: SecretRef): (SecretRef & Sealed) | undefined {
    const entry = translatingErrors(db, () => find.get(credentialId));
    return entry?.clientId === clientId ? entry : undefined;
  }

  return {
    put(ref, token) {
      const { keyId, sealed } = keyring.seal(ref, token);
      return group.run(() => {
        const known = find.get(ref.credentialId);
        if (!known) insert.run(ref.credentialId, ref.clientId, keyId, sealed, new Date().toJSON());
        else if (known.clientId !== ref.clientId || keyring.open(ref, known) !== token)
          throw new SecretExists(ref);
      });
    },
    async get(ref) {
      const entry = entryAt(ref);
      return entry && keyring.open(ref, entry);
    },
    destroy: ({ clientId, credentialId }) => group.run(() => void remove.run(credentialId, clientId)),
    list: async ({ after = '', limit }) => translatingErrors(db, () => page.all(after, limit)),
    async reseal(ref) {
      const entry = entryAt(ref);
      if (!entry || entry.keyId === keyring.currentKeyId()) return false;
      const { keyId, sealed } = keyring.seal(ref, keyring.open(ref, entry));
      return inTransaction(db, () => replace.run(keyId, sealed, ref.credentialId, entry.sealed).changes > 0);
    },
    probe: async () => inTransaction(db, () => writeProbe(db)),
    async close() {
      await group.idle();
      closeSqlite(db);
    },
  };
}
