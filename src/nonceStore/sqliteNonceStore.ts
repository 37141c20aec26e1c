import { createHash } from 'node:crypto';
import { closeSqlite, inTransaction, type Sqlite } from '../storage/openSqlite.ts';
import type { NonceStore, NonceVerdict } from './nonceStore.ts';

/** Signers and nonces are stored as digests, because they may be long. `held` counts the nonces of each signer. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS nonces (
    nonce BLOB PRIMARY KEY,
    signer BLOB NOT NULL,
    until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS nonces_by_end ON nonces (until);
  CREATE TABLE IF NOT EXISTS held (signer BLOB PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TRIGGER IF NOT EXISTS nonce_comes AFTER INSERT ON nonces BEGIN
    INSERT OR IGNORE INTO held VALUES (NEW.signer, 0);
    UPDATE held SET count = count + 1 WHERE signer = NEW.signer;
  END;
  CREATE TRIGGER IF NOT EXISTS nonce_goes AFTER DELETE ON nonces BEGIN
    UPDATE held SET count = count - 1 WHERE signer = OLD.signer;
    DELETE FROM held WHERE signer = OLD.signer AND count = 0;
  END;
`;

/** Nonces of all signers together, about 100 bytes each. Beyond this, a signer may hold no more than an equal share. */
const MAX_TOTAL = 100_000;
/** Expired nonces that are removed with each new one, which takes some milliseconds at most. */
const MAX_EXPIRED_REMOVED = 500;
const DIGEST_BYTES = 16;

/** Nonces in a SQLite file that several processes may share; at most `maxPerSigner` of each signer. */
export function sqliteNonceStore({
  db,
  maxPerSigner,
  maxTotal = MAX_TOTAL,
}: {
  db: Sqlite;
  maxPerSigner: number;
  maxTotal?: number;
}): NonceStore {
  inTransaction(db, () => db.exec(SCHEMA));
  const removeExpired = db.prepare<[number, number]>(
    'DELETE FROM nonces WHERE nonce IN (SELECT nonce FROM nonces WHERE until < ? ORDER BY until LIMIT ?)',
  );
  const findNonce = db.prepare<[Buffer], number>('SELECT 1 FROM nonces WHERE nonce = ?').pluck();
  const countOfSigner = db.prepare<[Buffer], number>('SELECT count FROM held WHERE signer = ?').pluck();
  const countSigners = db.prepare<[], number>('SELECT count(*) FROM held').pluck();
  const countAll = db.prepare<[], number>('SELECT coalesce(sum(count), 0) FROM held').pluck();
  const insert = db.prepare<[Buffer, Buffer, number]>('INSERT INTO nonces VALUES (?, ?, ?)');

  function hasRoomFor(signer: Buffer): boolean {
    const held = countOfSigner.get(signer) ?? 0;
    if (held >= maxPerSigner) return false;
    return countAll.get()! < maxTotal || held < maxTotal / (countSigners.get()! + 1);
  }

  function rememberNow(signer: Buffer, nonce: Buffer, { until, now }: { until: number; now: number }) {
    removeExpired.run(now, MAX_EXPIRED_REMOVED);
    if (findNonce.get(nonce) !== undefined) return 'seen';
    if (!hasRoomFor(signer)) return 'full';
    insert.run(nonce, signer, until);
    return 'new';
  }

  return {
    remember: async ({ signer, nonce, until }, now): Promise<NonceVerdict> =>
      inTransaction(db, () =>
        rememberNow(digest(signer), digest(`${signer}\n${nonce}`), { until, now: now.getTime() }),
      ),
    async close() {
      closeSqlite(db);
    },
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest().subarray(0, DIGEST_BYTES);
}
