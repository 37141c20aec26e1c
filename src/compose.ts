import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { makeAuthenticate } from './authentication/authenticate.ts';
import { makeEndpoints } from './api/endpoints.ts';
import { makeResolveSigner } from './authentication/resolveSigner.ts';
import { callerKey } from './http/callerKey.ts';
import { watchStores } from './api/monitoring/backendHealth.ts';
import { makeClientHistory } from './readSide/clientHistory.ts';
import { openClientTokens } from './authentication/clientTokens.ts';
import type { Config, KafkaSettings } from './config/config.ts';
import { keepDiskReserve, noDiskReserve } from './storage/diskReserve.ts';
import type { Position } from './event.ts';
import type { EventStore } from './eventStore/eventStore.ts';
import { sqliteEventStore } from './eventStore/sqliteEventStore.ts';
import { upcasting } from './eventStore/upcasting.ts';
import { validateEvent } from './eventStore/validateEvent.ts';
import { keepFresh } from './readSide/freshness.ts';
import { makeHandleCommand } from './writeSide/handleCommand.ts';
import { openLastUsed } from './readSide/lastUsed.ts';
import { makeLongWork } from './process/longWork.ts';
import { keepLogHead, LOG_HEAD_FILE, readLogHead } from './readSide/logHead.ts';
import { kafkaMessageBus } from './messageBus/kafkaMessageBus.ts';
import type { MessageBus } from './messageBus/messageBus.ts';
import type { NonceStore } from './nonceStore/nonceStore.ts';
import { sqliteNonceStore } from './nonceStore/sqliteNonceStore.ts';
import { openKafka } from './messageBus/openKafka.ts';
import { inTransaction, openSqlite } from './storage/openSqlite.ts';
import { startProjector } from './readSide/projector.ts';
import { startPublisher } from './publisher/publish.ts';
import { sharedPublisherState } from './publisher/publisherState.ts';
import { refuseLooseDataDir } from './config/permissions.ts';
import type { ReadStore } from './readStore/readStore.ts';
import { sqliteReadStore } from './readStore/sqliteReadStore.ts';
import { ROOT_CREDENTIALS_FILE } from './staticClients/rootCredentials.ts';
import { refuseMissingLog, refuseRewrittenHistory } from './readSide/rewrittenHistory.ts';
import { addKeyToFile, KEY_FILE, keysInFile, whenChanged } from './config/keyFile.ts';
import { type Keyring, keyring } from './secretStore/keyring.ts';
import { secretMaker } from './secretStore/newSecret.ts';
import type { SecretStore } from './secretStore/secretStore.ts';
import { sqliteSecretStore } from './secretStore/sqliteSecretStore.ts';
import { guardedServices } from './services/guardedServices.ts';
import { openGuardedServices } from './services/openGuardedServices.ts';
import { makeRecordCredentials } from './services/recordCredentials.ts';
import { READ_FILE } from './storage/storeDamage.ts';
import { type FileGone, watchFiles } from './storage/watchFiles.ts';

export type Stores = {
  eventStore: EventStore;
  readStore: ReadStore;
  secretStore: SecretStore;
  keys: Keyring;
  /** Adds a key to the generated key file and answers its id; undefined where the operator keeps the keys. */
  addKey: (() => string) | undefined;
  /** Resolves once a file of theirs was removed or replaced: they take nothing any more, and the process is to end. */
  filesGone: Promise<FileGone>;
  close(): Promise<void>;
};
export type StoreConfig = Pick<Config, 'dataDir' | 'secretKeys'> &
  Partial<
    Pick<
      Config,
      'eventStoreUrl' | 'readStoreUrl' | 'streamPrefix' | 'collectionPrefix' | 'allowLoosePermissions'
    >
  >;
export type Service = Awaited<ReturnType<typeof startService>>;

/** The log, in the data directory. */
export const LOG_FILE = 'log.sqlite';
const SECRETS_FILE = 'secrets.sqlite';

/** Whatever is in the data directory, but for what holds a secret that is not sealed. */
const FILES = [
  LOG_HEAD_FILE,
  ...[LOG_FILE, READ_FILE, SECRETS_FILE].flatMap((name) => ['', '-wal', '-shm'].map((end) => name + end)),
];

/**
 * How stores are opened: `mustExist` makes no file where there is none, and `log` is told what cannot be written for a while
 * though it is to be.
 */
export type Opening = { mustExist?: boolean; log?: Logger };

/**
 * Opens the stores on this machine, or those on servers where EVENT_STORE_URL names one. Throws RewrittenHistory for a log on
 * this machine that lacks what it once had.
 */
export async function openStores(config: StoreConfig, opening: Opening = {}): Promise<Stores> {
  const stores = await openStoresAsStored(config, opening);
  return { ...stores, eventStore: upcasting(stores.eventStore) };
}

/** The same with events as they are stored, of whatever release: for a copy of them. */
export function openStoresAsStored(config: StoreConfig, opening: Opening = {}): Promise<Stores> {
  return config.eventStoreUrl === undefined ? openEmbedded(config, opening) : openShared(config);
}

async function openEmbedded(config: StoreConfig, { mustExist = false, log }: Opening): Promise<Stores> {
  const file = join(config.dataDir, LOG_HEAD_FILE);
  // Read before the log is looked at: others may be writing both.
  const logHead = readLogHead(file);
  const { alone, ...stores } = await openFiles(config, { mustExist, logHead });
  try {
    await refuseRewrittenHistory(stores, logHead);
    return together({ ...stores, eventStore: await keepLogHead(stores.eventStore, { file, alone, log }) });
  } catch (error) {
    await stores.close();
    throw error;
  }
}

/**
 * The log, the read models and the secrets are three SQLite files in the data directory: the log can be given to an
 * auditor without a sealed secret in it, the read models can be deleted at any time, and no write of one waits for another.
 * `alone` runs a piece of work while no other process does. Throws RewrittenHistory where the log alone is missing, ConfigError where
 * others may read or write what they must not.
 */
export async function openFiles(
  { dataDir, secretKeys, allowLoosePermissions = false }: StoreConfig,
  { mustExist = false, logHead }: { mustExist?: boolean; logHead?: Position } = {},
) {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  if (!allowLoosePermissions)
    refuseLooseDataDir(dataDir, { files: FILES, secrets: [KEY_FILE, ROOT_CREDENTIALS_FILE] });
  const file = (name: string): string => join(dataDir, name);
  const keyFile = secretKeys ? undefined : file(KEY_FILE);
  const keys =
    keyFile === undefined
      ? keyring(() => secretKeys!)
      : keyring(() => keysInFile(keyFile), whenChanged(keyFile));
  const watch = watchFiles();
  const opened: { close(): Promise<void> }[] = [];
  const kept = <T extends { close(): Promise<void> }>(store: T): T => (opened.push(store), store);
  try {
    const options = { mustExist, watch };
    const readDb = openSqlite(file(READ_FILE), { ...options, synchronous: 'NORMAL' });
    const readStore = kept(sqliteReadStore({ db: readDb }));
    const secretDb = openSqlite(file(SECRETS_FILE), {
      ...options,
      synchronous: 'FULL',
      secureDelete: true,
    });
    const secretStore = kept(sqliteSecretStore({ db: secretDb, keyring: keys }));
    if (!mustExist && !existsSync(file(LOG_FILE)))
      await refuseMissingLog({ readStore, secretStore }, { dataDir, logHead });
    const db = openSqlite(file(LOG_FILE), { ...options, synchronous: 'FULL' });
    const eventStore = kept(sqliteEventStore({ db, validate: validateEvent }));
    const addKey = keyFile === undefined ? undefined : () => addKeyToFile(keyFile);
    const stores = together({ eventStore, readStore, secretStore, keys, addKey, filesGone: watch.gone });
    return { ...stores, alone: (work: () => void) => inTransaction(db, work) };
  } catch (error) {
    await Promise.all(opened.map((store) => store.close()));
    throw error;
  }
}

/** The log is on KurrentDB, the read models and the secrets on MongoDB, all of them shared by several nodes. */
async function openShared(config: StoreConfig): Promise<Stores> {
  // The embedded stores do not wait for these drivers, which take longer to load than all the rest.
  const { openKurrent } = await import('./eventStore/openKurrent.ts');
  const { openMongo } = await import('./storage/openMongo.ts');
  const { kurrentEventStore } = await import('./eventStore/kurrentEventStore.ts');
  const { mongoReadStore } = await import('./readStore/mongoReadStore.ts');
  const { mongoSecretStore } = await import('./secretStore/mongoSecretStore.ts');
  const { eventStoreUrl, readStoreUrl, streamPrefix, collectionPrefix, secretKeys } = config;
  const keys = keyring(() => secretKeys!);
  const opened: { close(): Promise<void> }[] = [];
  const kept = <T extends { close(): Promise<void> }>(store: T): T => (opened.push(store), store);
  try {
    const openDatabase = () => openMongo(readStoreUrl!, collectionPrefix!);
    const readStore = kept(mongoReadStore(await openDatabase()));
    const secretStore = kept(mongoSecretStore({ mongo: await openDatabase(), keyring: keys }));
    const kurrent = kept(openKurrent(eventStoreUrl!));
    const eventStore = await kurrentEventStore({ kurrent, validate: validateEvent, prefix: streamPrefix! });
    const filesGone = new Promise<never>(() => undefined);
    return together({ eventStore, readStore, secretStore, keys, addKey: undefined, filesGone });
  } catch (error) {
    await Promise.all(opened.map((store) => store.close()));
    throw error;
  }
}

function together(stores: Omit<Stores, 'close'>): Stores {
  const { eventStore, readStore, secretStore } = stores;
  return {
    ...stores,
    async close() {
      await Promise.all([eventStore.close(), readStore.close(), secretStore.close()]);
    },
  };
}

/** What remembers the nonces of signed changes, in the data directory. `gone` resolves once its file was removed or replaced. */
export function openNonces({
  dataDir,
  maxNoncesPerClient,
}: Pick<Config, 'dataDir' | 'maxNoncesPerClient'>): NonceStore & { gone: Promise<FileGone> } {
  const watch = watchFiles();
  const db = openSqlite(join(dataDir, 'nonces.sqlite'), { synchronous: 'NORMAL', watch });
  return { ...sqliteNonceStore({ db, mostOfSigner: maxNoncesPerClient }), gone: watch.gone };
}

/** Where changes are published. It connects when it is first used. */
export function openMessageBus(settings: KafkaSettings, log: Logger): MessageBus {
  return kafkaMessageBus({ kafka: openKafka(settings, log), prefix: settings.topicPrefix });
}

/**
 * The whole service but for HTTP: everything that a command of the command line, or a request, works with. On the stores
 * of the configuration, which it makes unless they `mustExist`, or on some that were opened already; it closes them too.
 */
export async function startService(
  config: Config,
  log: Logger,
  { stores: opened, mustExist }: { stores?: Stores; mustExist?: boolean } = {},
) {
  const { stores, makeCheck } = watchStores(opened ?? (await openStores(config, { log, mustExist })), {
    log,
  });
  const { eventStore, readStore, secretStore } = stores;
  const holder = `${hostname()}/${process.pid}/${randomUUID()}`;
  const started: (() => Promise<void>)[] = [stores.close];
  async function stop(): Promise<void> {
    for (const each of started.splice(0).reverse()) await each();
  }
  async function start() {
    const projector = await startProjector({
      eventStore,
      readStore,
      log,
      holder,
      maxRoleScopes: config.maxRoleScopes,
    });
    started.push(projector.stop);
    // A log in a file of this machine can be looked at before every answer.
    const maxStaleness = config.eventStoreUrl === undefined ? undefined : config.maxStaleness;
    const freshness = await keepFresh({ eventStore, projector, log }, maxStaleness);
    started.push(freshness.stop);
    // Stores that are elsewhere, or were opened by others, have a disk that is theirs to watch.
    const isOnDisk = config.eventStoreUrl === undefined && !opened;
    const diskReserve = isOnDisk
      ? await keepDiskReserve(config.dataDir, { bytes: config.diskReserve, log })
      : noDiskReserve;
    started.push(diskReserve.close);
    return { projector, freshness, diskReserve, makeSecret: await secretMaker(secretStore) };
  }
  const { projector, freshness, diskReserve, makeSecret } = await start().catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  const longWork = makeLongWork({ log, maxExpansionScopes: config.maxExpansionScopes });
  const handleCommand = makeHandleCommand({
    eventStore,
    secretStore,
    projector,
    freshness,
    longWork,
    diskReserve,
    log,
  });
  const lastUsed = openLastUsed(readStore, log);
  const clientTokens = openClientTokens({ projector, secretStore, log });
  const isGuarded = config.readAccess === 'guarded';
  const authenticate = makeAuthenticate({
    resolveSigner: makeResolveSigner({ projector, clientTokens, isGuarded }),
    isGuarded,
    inMemory: (clientId) => projector.clients.inMemory(clientId),
    expandInSlices: (scopes, work) => projector.roleGraph.expandInSlices(scopes, work),
    inSlices: (signerId, compute) =>
      longWork.run(
        { caller: signerId === undefined ? 'everybody' : callerKey({ signer: signerId }) },
        compute,
      ),
    version: () => projector.roleGraph.version,
    used: lastUsed.touch,
    maxBewitLifetime: config.maxBewitLifetime,
  });
  const guarded = openGuardedServices(guardedServices, {
    settings: config.serviceSettings,
    recordCredentials: config.recordCredentials
      ? makeRecordCredentials({ eventStore, freshness, diskReserve, log })
      : undefined,
    log,
  });
  const { kafka } = config;
  const publisher = kafka && {
    start: () => startPublisher({ eventStore, readStore, bus: openMessageBus(kafka, log), log, holder }),
    state: sharedPublisherState(stores),
  };
  const core = {
    eventStore,
    secretStore,
    projector,
    lastUsed,
    handleCommand,
    makeSecret,
    longWork,
    log,
  };
  const clientHistory = makeClientHistory(eventStore);
  const health = { checkBackends: makeCheck(clientTokens, freshness), diskReserve, publisher };
  const endpoints = [...makeEndpoints({ core, clientHistory, authenticate, health }), ...guarded.endpoints];
  return {
    stores,
    /** What reads and changes clients and roles. */
    core,
    /** What answers requests. */
    answering: { endpoints, authenticate, freshness, longWork, log },
    diskReserve,
    jobs: guarded.jobs,
    publisher,
    async close(): Promise<void> {
      await lastUsed.close();
      await stop();
    },
  };
}
