import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Collection,
  type Document,
  MongoClient,
  MongoClientClosedError,
  MongoNetworkError,
  MongoNotConnectedError,
  MongoOperationTimeoutError,
  MongoServerSelectionError,
  MongoTopologyClosedError,
} from 'mongodb';
import { invalid } from '../config/configError.ts';
import { StoreUnavailable } from './storeErrors.ts';

/**
 * Calls that are under way at once, where the URL says nothing else; others wait for their turn here. A server that writes one
 * after the other may keep some of very many waiting beyond all patience.
 */
const MOST_AT_ONCE = 16;
/** How long (ms) a step of a call waits for a server that is away, or that does not answer, before it fails. */
const PATIENCE = 4000;
/**
 * How long (ms) a call lasts, with all its steps and with what the driver tries again. Some would last for ever: the driver
 * does not notice when a socket is closed just before it writes.
 */
const LONGEST = 2 * PATIENCE;
const BETWEEN_TRIES = 500;
const AWAY = [
  MongoNetworkError,
  MongoServerSelectionError,
  MongoNotConnectedError,
  MongoTopologyClosedError,
  MongoClientClosedError,
  MongoOperationTimeoutError,
];
/**
 * Codes of a server that cannot answer now: it is no longer, or not yet, the primary one (189, 10107, 11602, 13435, 13436), is
 * ending (91, 11600), cannot reach others in time (6, 7, 50, 64, 89, 134, 262, 9001), or gave up what was asked before (43,
 * 175, 237, 11601).
 */
const NOT_NOW = new Set<unknown>([
  6, 7, 43, 50, 64, 89, 91, 134, 175, 189, 237, 262, 9001, 10107, 11600, 11601, 11602, 13435, 13436,
]);
/** Some of a socket's own errors come through the driver as they are, and those of name servers. */
const SYSTEM_ERROR = /^E(?!RR_)[A-Z_]+$|^ERR_(STREAM|SOCKET|SSL|TLS)_/;
const TAKEN = 11000;
const NO_COLLECTION = 26;

export type { Collection };

/** A database on a server that speaks MongoDB's protocol. */
export type Mongo = {
  /** `name` gets the prefix that the database was opened with. For one call: the next may need another connection. */
  collection<D extends Document & { _id: string }>(name: string): Collection<D>;
  /**
   * Asks the server. Throws StoreUnavailable when it cannot be reached, cannot answer now or takes longer than 8 s; else what
   * the driver throws.
   */
  reaching<T>(ask: () => Promise<T>): Promise<T>;
  /** Writes a document of its own, over the one that was written before, to see whether that works. Throws as `reaching` does. */
  probe(): Promise<void>;
  /** Removes a collection; no error where there is none. */
  drop(name: string): Promise<void>;
  close(): Promise<void>;
};

/**
 * Opens the database that the URL names, `authledger` where it names none. A write is acknowledged by a majority, so that no
 * change of primary takes it back; a read asks the primary for all it has. Names of collections get the prefix. Throws
 * ConfigError for a URL that the driver refuses, StoreUnavailable when the server cannot be reached; the URL's password is
 * in no error.
 */
export async function openMongo(url: string, prefix: string): Promise<Mongo> {
  const database = databaseIn(url);
  let client = await connected(url).catch((error: Fault) => {
    throw translated(error);
  });
  const closing = new AbortController();
  let replacing: Promise<void> | undefined;

  /**
   * Puts another client in the place of one that may never come right by itself: a lost call keeps its connection for good, and a pool
   * has only so many; and if the call by which the driver watches a server is lost, the driver never finds that server again.
   */
  async function replace(): Promise<void> {
    const lost = client;
    const next = await untilConnected(url, closing.signal);
    if (!next) return;
    client = next;
    // All its calls are over by then.
    await sleep(LONGEST, undefined, { ref: false, signal: closing.signal }).catch(() => undefined);
    await inTime(lost.close()).catch(() => undefined);
  }

  async function reaching<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await inTime(ask());
    } catch (error) {
      if (error instanceof TookTooLong || error instanceof MongoServerSelectionError)
        replacing ??= replace().finally(() => (replacing = undefined));
      throw translated(error as Fault);
    }
  }

  const collection = <D extends Document & { _id: string }>(name: string): Collection<D> =>
    client.db(database).collection<D>(prefix + name);

  return {
    collection,
    reaching,
    async probe() {
      const write = () =>
        collection('probe').updateOne({ _id: 'probe' }, { $set: { at: new Date() } }, { upsert: true });
      try {
        await reaching(write);
      } catch (error) {
        // Another node wrote it first, for the first time.
        if (!isTaken(error)) throw error;
      }
    },
    async drop(name) {
      try {
        await reaching(() => collection(name).drop());
      } catch (error) {
        if ((error as Fault).code !== NO_COLLECTION) throw error;
      }
    },
    async close() {
      closing.abort();
      await replacing;
      await client.close();
    },
  };
}

/** A client that has reached the server. Nothing is left of one that does not. */
async function connected(url: string): Promise<MongoClient> {
  const client = clientFor(url);
  try {
    return await inTime(client.connect());
  } catch (error) {
    client.close().catch(() => undefined);
    throw error;
  }
}

/** Another client, once the server can be reached; undefined when that is not wanted any more. */
async function untilConnected(url: string, signal: AbortSignal): Promise<MongoClient | undefined> {
  while (!signal.aborted) {
    const client = await connected(url).catch(() => undefined);
    if (client) return client;
    await sleep(BETWEEN_TRIES, undefined, { ref: false, signal }).catch(() => undefined);
  }
  return undefined;
}

class TookTooLong extends StoreUnavailable {}

/** Throws TookTooLong where no answer came for long. */
function inTime<T>(asked: Promise<T>): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    const error = new TookTooLong(`MongoDB did not answer within ${LONGEST / 1000} s`);
    late = setTimeout(() => reject(error), LONGEST).unref();
  });
  return Promise.race([asked, tooLong]).finally(() => clearTimeout(late));
}

function clientFor(url: string): MongoClient {
  try {
    return new MongoClient(url, {
      appName: 'authledger',
      ...(!/[?&]maxPoolSize=/i.test(url) && { maxPoolSize: MOST_AT_ONCE }),
      serverSelectionTimeoutMS: PATIENCE,
      connectTimeoutMS: PATIENCE,
      socketTimeoutMS: PATIENCE,
      waitQueueTimeoutMS: PATIENCE,
      writeConcern: { w: 'majority', journal: true },
      readPreference: 'primary',
      promoteBuffers: true,
      ignoreUndefined: true,
    });
  } catch (error) {
    const { message } = error as Error;
    const [, user] = /\/\/(.*)@/.exec(url) ?? [];
    const isTelling = (user ?? '').split(/[:@]/).some((part) => part !== '' && message.includes(part));
    return invalid(
      `READ_STORE_URL is not an address that the MongoDB driver takes${isTelling ? '' : `: ${message}`}`,
    );
  }
}

/** The driver itself takes `test` where none is named. */
function databaseIn(url: string): string {
  const name = /^[^:]+:\/\/[^/]+\/([^?]+)/.exec(url)?.[1];
  return name === undefined ? 'authledger' : decodeURIComponent(name);
}

/** Whether a write was refused, in all that it could not do, as another document has the same key. */
export function isTaken(error: unknown): boolean {
  const { code, writeErrors } = error as { code?: unknown; writeErrors?: { code?: unknown }[] };
  const errors = Array.isArray(writeErrors) && writeErrors.length > 0 ? writeErrors : [{ code }];
  return errors.every((each) => each.code === TAKEN);
}

type Fault = Error & { code?: unknown; errorResponse?: unknown };

function translated(error: Fault): Error {
  return isAway(error) ? new StoreUnavailable(`MongoDB cannot be used right now: ${error.message}`) : error;
}

function isAway(error: Fault): boolean {
  return (
    AWAY.some((kind) => error instanceof kind) ||
    error.name === 'MongoWaitQueueTimeoutError' ||
    NOT_NOW.has(error.code) ||
    SYSTEM_ERROR.test(String(error.code)) ||
    // A bulk write's error holds the one that broke it off.
    (error.errorResponse instanceof Error && isAway(error.errorResponse))
  );
}
