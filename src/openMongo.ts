import { type Collection, type Document, MongoClient } from 'mongodb';
import { StoreUnavailable } from './eventStore/eventStore.ts';

/** How long (ms) a call waits for a server that is away, or that does not answer, before it fails. */
const PATIENCE = 4000;
/** Codes of a server that is no longer, or not yet, the primary one, or is ending. */
const NOT_NOW = new Set([89, 91, 189, 262, 7, 6, 9001, 10107, 11600, 11602, 13435, 13436]);
const TAKEN = 11000;

/** A database on a server that speaks MongoDB's protocol. What cannot be reached shows as StoreUnavailable. */
export type Mongo = {
  collection<D extends Document & { _id: string }>(name: string): Collection<D>;
  /** Names of collections that begin so. */
  close(): Promise<void>;
};

/**
 * Opens the database that the URL names, `authledger` where it names none. Writes are acknowledged by a majority, and
 * reads see only what is. Throws StoreUnavailable when the server cannot be reached; the URL, which may hold a password, is
 * in no error. Names of collections get the prefix.
 */
export async function openMongo(url: string, prefix: string): Promise<Mongo> {
  const client = new MongoClient(url, {
    appName: 'authledger',
    serverSelectionTimeoutMS: PATIENCE,
    connectTimeoutMS: PATIENCE,
    socketTimeoutMS: PATIENCE,
    waitQueueTimeoutMS: PATIENCE,
    writeConcern: { w: 'majority', journal: true },
    readConcernLevel: 'majority',
    readPreference: 'primary',
    promoteBuffers: true,
    ignoreUndefined: true,
  });
  await reaching(() => client.connect());
  const named = new URL(url.replace(/^mongodb/, 'http').replace(/,[^/?]*/, '')).pathname.slice(1);
  const db = client.db(named || 'authledger');
  return {
    collection: (name) => db.collection(prefix + name),
    close: () => client.close(),
  };
}

/** Asks the server. Throws StoreUnavailable when it cannot be reached, or cannot answer now; else what the driver throws. */
export async function reaching<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw translated(error as Error & { code?: unknown });
  }
}

/** Whether a write was refused, in all that it could not do, as another document has the same key. */
export function isTaken(error: unknown): boolean {
  const { code, writeErrors } = error as { code?: unknown; writeErrors?: { code?: unknown }[] };
  const errors = Array.isArray(writeErrors) && writeErrors.length > 0 ? writeErrors : [{ code }];
  return errors.every((each) => each.code === TAKEN);
}

function translated(error: Error & { code?: unknown }): Error {
  const isAway =
    /^Mongo(Network|NetworkTimeout|ServerSelection|Timeout|OperationTimeout|NotConnected|TopologyClosed|PoolCleared|PoolClosed|WaitQueueTimeout|ServerClosed)\w*Error$|^PoolClear|^WaitQueue/.test(
      error.name,
    );
  return isAway || NOT_NOW.has(error.code as number)
    ? new StoreUnavailable(`MongoDB cannot be used right now (${error.name})`)
    : error;
}
