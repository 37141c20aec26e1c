import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
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
import { diagnoseConnection, type Finding, type TlsSettings } from './diagnoseConnection.ts';
import { explainOutages, type OutageCause } from './explainOutages.ts';
import { StoreUnavailable } from './storeErrors.ts';

/**
 * Connections in the pool, and so calls in progress at once, unless the URL sets `maxPoolSize`; further calls queue
 * here. A server that runs writes one after the other could otherwise keep some of them waiting until they time out.
 */
const MAX_POOL_SIZE = 16;
/** How long (ms) each step of a call waits for a server that is unreachable or does not answer. */
const STEP_TIMEOUT = 4000;
/**
 * How long (ms) a call may take with all its steps and the driver's own retries. Without this limit some calls would
 * never end: the driver does not notice a socket that is closed just before it writes.
 */
const CALL_TIMEOUT = 2 * STEP_TIMEOUT;
/** Pause (ms) between attempts to reconnect. */
const RECONNECT_DELAY = 500;
const UNAVAILABLE_ERRORS = [
  MongoNetworkError,
  MongoServerSelectionError,
  MongoNotConnectedError,
  MongoTopologyClosedError,
  MongoClientClosedError,
  MongoOperationTimeoutError,
];
/**
 * Error codes of a server that cannot answer now: it is no longer, or not yet, the primary (189, 10107, 11602, 13435,
 * 13436), is shutting down (91, 11600), cannot reach other members in time (6, 7, 50, 64, 89, 134, 262, 9001), or
 * aborted the operation (43, 175, 237, 11601).
 */
const UNAVAILABLE_CODES = new Set<unknown>([
  6, 7, 43, 50, 64, 89, 91, 134, 175, 189, 237, 262, 9001, 10107, 11600, 11601, 11602, 13435, 13436,
]);
/** Error codes of a user who is unknown, or has another password; 8000 is MongoDB Atlas's for it. */
const REFUSED_CODES = new Set<unknown>([18, 8000]);
const UNAUTHORIZED = 13;
/** Codes of socket and DNS errors, some of which the driver passes on unchanged. */
const SYSTEM_ERROR = /^E(?!RR_)[A-Z_]+$|^ERR_(STREAM|SOCKET|SSL|TLS)_/;
const DUPLICATE_KEY = 11000;
const NAMESPACE_NOT_FOUND = 26;

export type { Collection };

/** A database on a server that speaks MongoDB's protocol. */
export type Mongo = {
  /**
   * `name` gets the prefix that the database was opened with. Use it for one call only: the next may need another
   * connection.
   */
  collection<D extends Document & { _id: string }>(name: string): Collection<D>;
  /**
   * Calls the server. Throws StoreUnavailable if it cannot be reached, cannot answer now or takes longer than 8 s; any
   * other error is the driver's own.
   */
  call<T>(ask: () => Promise<T>): Promise<T>;
  /** Checks that writes work: writes a document of its own, over the previous one. Throws as `call` does. */
  probe(): Promise<void>;
  /** Drops a collection; no error if there is none. */
  drop(name: string): Promise<void>;
  close(): Promise<void>;
};

/**
 * Opens the database that the URL names, or `authledger` if it names none. Writes are acknowledged by a majority, so
 * that no failover rolls them back; reads go to the primary. Names of collections get the prefix. Outages are reported
 * to `log`. Throws ConfigError for a URL that the driver refuses, StoreUnavailable if the server cannot be reached or
 * refuses the user: its message names READ_STORE_URL and the cause. No error contains the URL's password.
 */
export async function openMongo(url: string, prefix: string, log?: Logger): Promise<Mongo> {
  const database = databaseName(url);
  const outage = explainOutages('MongoDB cannot be used', log);
  /** For the start, whose failure is shown, and for the end, when nobody needs the server any more. */
  const unlogged = explainOutages('MongoDB cannot be used');
  let client = createClient(url);
  await connect(client).catch(async (error: DriverError) => {
    throw await translateError(error, { database, options: client.options, outage: unlogged });
  });
  const closing = new AbortController();
  let replacement: Promise<void> | undefined;

  /**
   * Replaces a client that may never recover by itself. A lost call keeps its connection for good, and a pool has only
   * so many. And if the call with which the driver monitors a server is lost, the driver never finds that server again.
   */
  async function replaceClient(): Promise<void> {
    const failed = client;
    const next = await reconnect(url, closing.signal);
    if (!next) return;
    client = next;
    // By then all its calls are over.
    await sleep(CALL_TIMEOUT, undefined, { ref: false, signal: closing.signal }).catch(() => undefined);
    await withTimeout(failed.close()).catch(() => undefined);
  }

  async function call<T>(ask: () => Promise<T>): Promise<T> {
    try {
      const answer = await withTimeout(ask());
      outage.ended();
      return answer;
    } catch (error) {
      if (error instanceof CallTimedOut || error instanceof MongoServerSelectionError)
        replacement ??= replaceClient().finally(() => (replacement = undefined));
      throw await translateError(error as DriverError, {
        database,
        options: client.options,
        outage: closing.signal.aborted ? unlogged : outage,
      });
    }
  }

  const collection = <D extends Document & { _id: string }>(name: string): Collection<D> =>
    client.db(database).collection<D>(prefix + name);

  return {
    collection,
    call,
    async probe() {
      const write = () =>
        collection('probe').updateOne({ _id: 'probe' }, { $set: { at: new Date() } }, { upsert: true });
      try {
        await call(write);
      } catch (error) {
        // Another node inserted the first probe at the same time.
        if (!isDuplicateKey(error)) throw error;
      }
    },
    async drop(name) {
      try {
        await call(() => collection(name).drop());
      } catch (error) {
        if ((error as DriverError).code !== NAMESPACE_NOT_FOUND) throw error;
      }
    },
    async close() {
      closing.abort();
      await replacement;
      await client.close();
    },
  };
}

/** Connects a client, or closes it if that fails. */
async function connect(client: MongoClient): Promise<void> {
  try {
    await withTimeout(client.connect());
  } catch (error) {
    client.close().catch(() => undefined);
    throw error;
  }
}

/** Connects a new client as soon as the server can be reached; undefined if the signal aborts first. */
async function reconnect(url: string, signal: AbortSignal): Promise<MongoClient | undefined> {
  while (!signal.aborted) {
    const client = createClient(url);
    const isConnected = await connect(client).then(
      () => true,
      () => false,
    );
    if (isConnected) return client;
    await sleep(RECONNECT_DELAY, undefined, { ref: false, signal }).catch(() => undefined);
  }
  return undefined;
}

class CallTimedOut extends StoreUnavailable {}

const CONNECTION_ERRORS = [MongoNetworkError, MongoServerSelectionError, CallTimedOut];

/** Throws CallTimedOut if the promise does not settle in time. */
function withTimeout<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<never>((_, reject) => {
    const error = new CallTimedOut(`MongoDB did not answer within ${CALL_TIMEOUT / 1000} s`);
    timer = setTimeout(() => reject(error), CALL_TIMEOUT).unref();
  });
  return Promise.race([promise, timedOut]).finally(() => clearTimeout(timer));
}

function createClient(url: string): MongoClient {
  try {
    return new MongoClient(url, {
      appName: 'authledger',
      ...(!/[?&]maxPoolSize=/i.test(url) && { maxPoolSize: MAX_POOL_SIZE }),
      serverSelectionTimeoutMS: STEP_TIMEOUT,
      connectTimeoutMS: STEP_TIMEOUT,
      socketTimeoutMS: STEP_TIMEOUT,
      waitQueueTimeoutMS: STEP_TIMEOUT,
      writeConcern: { w: 'majority', journal: true },
      readPreference: 'primary',
      promoteBuffers: true,
      ignoreUndefined: true,
    });
  } catch (error) {
    const { message } = error as Error;
    const [, user] = /\/\/(.*)@/.exec(url) ?? [];
    const showsCredentials = (user ?? '').split(/[:@]/).some((part) => part !== '' && message.includes(part));
    return invalid(
      `READ_STORE_URL is not an address that the MongoDB driver takes${showsCredentials ? '' : `: ${message}`}`,
    );
  }
}

/** The database that a URL names. The driver's own default would be `test`. */
function databaseName(url: string): string {
  const name = /^[^:]+:\/\/[^/]+\/([^?]+)/.exec(url)?.[1];
  return name === undefined ? 'authledger' : decodeURIComponent(name);
}

/**
 * Whether a write failed only because of existing documents with the same keys. In a bulk write, every failure must be
 * one.
 */
export function isDuplicateKey(error: unknown): boolean {
  const { code, writeErrors } = error as { code?: unknown; writeErrors?: { code?: unknown }[] };
  const errors = Array.isArray(writeErrors) && writeErrors.length > 0 ? writeErrors : [{ code }];
  return errors.every((each) => each.code === DUPLICATE_KEY);
}

type DriverError = Error & { code?: unknown; syscall?: unknown; errorResponse?: unknown };

type Options = MongoClient['options'];

async function translateError(
  error: DriverError,
  { database, options, outage }: { database: string; options: Options; outage: OutageCause },
): Promise<Error> {
  // The server's own words would contain the command, with what was to be written.
  if (error.code === UNAUTHORIZED)
    return new StoreUnavailable(`READ_STORE_URL: the user may not use the database ${database}`);
  if (!isUnavailable(error)) return error;
  const why = async (): Promise<string> => `READ_STORE_URL: ${await whyUnavailable(error, options)}`;
  // While other calls are answered, as when too many are made at once, there is no outage.
  const isOutage = isConnectionAtFault(error) || REFUSED_CODES.has(error.code);
  return new StoreUnavailable(isOutage ? await outage.failed(why) : await why());
}

const HINTS: Partial<Record<Finding['kind'], string>> = {
  plain: ', and the address asks for it with tls=true',
  silent: ', and the address asks for it with tls=true',
  tls: ', and the address does not ask for it with tls=true',
};

async function whyUnavailable(error: DriverError, options: Options): Promise<string> {
  if (REFUSED_CODES.has(error.code)) return `the user was refused (${error.message})`;
  // It was connected, and the caller has waited long enough.
  if (error instanceof CallTimedOut) return error.message;
  const endpoints = options.hosts.filter(({ host }) => host !== undefined).map((host) => host.toHostPort());
  const finding =
    isConnectionAtFault(error) &&
    (await diagnoseConnection(endpoints, tlsOf(options)).catch(() => undefined));
  if (finding) return finding.message + (HINTS[finding.kind] ?? '');
  return `MongoDB cannot be used right now: ${error.message.trim().replace(/\s*\n\s*/g, ' ')}`;
}

/** The driver has read the files by then that the address names. */
function tlsOf({
  tls,
  ca,
  cert,
  key,
  passphrase,
  rejectUnauthorized,
  checkServerIdentity,
}: Options): TlsSettings {
  if (!tls) return undefined;
  const given = { ca, cert, key, passphrase, rejectUnauthorized, checkServerIdentity };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Not if the server has answered, or a file that the address names could not be read. */
function isConnectionAtFault(error: DriverError): boolean {
  const isOfConnection = CONNECTION_ERRORS.some((kind) => error instanceof kind);
  return isOfConnection || (SYSTEM_ERROR.test(String(error.code)) && error.syscall !== 'open');
}

function isUnavailable(error: DriverError): boolean {
  return (
    error instanceof CallTimedOut ||
    REFUSED_CODES.has(error.code) ||
    UNAVAILABLE_ERRORS.some((kind) => error instanceof kind) ||
    error.name === 'MongoWaitQueueTimeoutError' ||
    UNAVAILABLE_CODES.has(error.code) ||
    SYSTEM_ERROR.test(String(error.code)) ||
    // A bulk write's error contains the error that ended it.
    (error.errorResponse instanceof Error && isUnavailable(error.errorResponse))
  );
}
