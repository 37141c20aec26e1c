import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
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
import {
  LOG_FILE,
  LOG_HEAD_FILE,
  makeDataDirectory,
  NONCES_FILE,
  READ_FILE,
  SECRETS_FILE,
} from './config/dataDirectory.ts';
import { openDiskReserve, noDiskReserve } from './storage/diskReserve.ts';
import type { Position } from './event.ts';
import type { EventStore } from './eventStore/eventStore.ts';
import { sqliteEventStore } from './eventStore/sqliteEventStore.ts';
import { upcasting } from './eventStore/upcasting.ts';
import { validateEvent } from './eventStore/validateEvent.ts';
import { makeFormerStates } from './readSide/formerStates.ts';
import { makeMoments } from './readSide/moments.ts';
import { presentState } from './readSide/state.ts';
import { makeRequestedState } from './http/requestedState.ts';
import { openFreshness } from './readSide/freshness.ts';
import { makeHandleCommand } from './writeSide/handleCommand.ts';
import { openLastUsed } from './readSide/lastUsed.ts';
import { makeLongWork } from './process/longWork.ts';
import { openTogether } from './process/openTogether.ts';
import { recordLogHead, readLogHead } from './readSide/logHead.ts';
import { kafkaMessageBus } from './messageBus/kafkaMessageBus.ts';
import type { MessageBus } from './messageBus/messageBus.ts';
import type { NonceStore } from './nonceStore/nonceStore.ts';
import { sqliteNonceStore } from './nonceStore/sqliteNonceStore.ts';
import { inTransaction, openSqlite } from './storage/openSqlite.ts';
import { startProjector } from './readSide/projector.ts';
import { startPublisher } from './publisher/publish.ts';
import { sharedPublisherState } from './publisher/publisherState.ts';
import type { ReadStore } from './readStore/readStore.ts';
import { sqliteReadStore } from './readStore/sqliteReadStore.ts';
import { refuseMissingLog, refuseRewrittenHistory } from './readSide/rewrittenHistory.ts';
import type { Keyring } from './secretStore/keyring.ts';
import { openKeyring } from './secretStore/openKeyring.ts';
import { secretMaker } from './secretStore/newSecret.ts';
import type { SecretStore } from './secretStore/secretStore.ts';
import { sqliteSecretStore } from './secretStore/sqliteSecretStore.ts';
import { guardedServices } from './services/guardedServices.ts';
import { openGuardedServices } from './services/openGuardedServices.ts';
import { makeRecordCredentials } from './services/recordCredentials.ts';
import { type FileGone, watchFiles } from './storage/watchFiles.ts';

export type Stores = {
  eventStore: EventStore;
  readStore: ReadStore;
  secretStore: SecretStore;
  keys: Keyring;
  /** Adds a key to the generated key file and returns its id; undefined if the keys are configured. */
  addKey: (() => string) | undefined;
  /** Resolves once a file of theirs was removed or replaced. They accept no writes then, and the process must end. */
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

/**
 * How stores are opened. With `mustExist` no file is created. Files that cannot be written for a while are reported to
 * `log`.
 */
export type OpenOptions = { mustExist?: boolean; log?: Logger };

/**
 * Opens the stores in the data directory, or on servers if EVENT_STORE_URL is set. Throws RewrittenHistory if a log in
 * the data directory lacks events that it once had.
 */
export async function openStores(config: StoreConfig, opening: OpenOptions = {}): Promise<Stores> {
  const stores = await openStoresAsStored(config, opening);
  return { ...stores, eventStore: upcasting(stores.eventStore) };
}

/** Opens the stores without upcasting, so that a copy gets the events as they were stored. */
export function openStoresAsStored(config: StoreConfig, opening: OpenOptions = {}): Promise<Stores> {
  return config.eventStoreUrl === undefined ? openEmbedded(config, opening) : openShared(config, opening);
}

async function openEmbedded(config: StoreConfig, { mustExist = false, log }: OpenOptions): Promise<Stores> {
  const file = join(config.dataDir, LOG_HEAD_FILE);
  // Read before the log: another process may be writing both.
  const logHead = readLogHead(file);
  const { alone, ...stores } = await openFiles(config, { mustExist, logHead });
  try {
    await refuseRewrittenHistory(stores, logHead);
    return closeTogether({
      ...stores,
      eventStore: await recordLogHead(stores.eventStore, { file, runExclusive: alone, log }),
    });
  } catch (error) {
    await stores.close();
    throw error;
  }
}

/**
 * The log, the read models and the secrets are three SQLite files in the data directory. The log can be given to an
 * auditor without a sealed secret in it, the read models can be deleted at any time, and no write to one waits for
 * another. `alone` runs a function while no other process runs one. Throws RewrittenHistory if only the log is missing,
 * ConfigError if others may read or write what they must not.
 */
export async function openFiles(
  config: StoreConfig,
  { mustExist = false, logHead }: { mustExist?: boolean; logHead?: Position } = {},
) {
  const { dataDir, allowLoosePermissions = false } = config;
  makeDataDirectory(dataDir, { allowLoosePermissions });
  const { keys, addKey } = openKeyring(config);
  const watch = watchFiles();
  const options = { mustExist, watch };
  const file = (name: string): string => join(dataDir, name);
  return await openTogether(async (opened) => {
    const readDb = openSqlite(file(READ_FILE), { ...options, synchronous: 'NORMAL' });
    const readStore = opened(sqliteReadStore({ db: readDb }));
    const secretDb = openSqlite(file(SECRETS_FILE), { ...options, synchronous: 'FULL', secureDelete: true });
    const secretStore = opened(sqliteSecretStore({ db: secretDb, keyring: keys }));
    if (!mustExist && !existsSync(file(LOG_FILE)))
      await refuseMissingLog({ readStore, secretStore }, { dataDir, logHead });
    const db = openSqlite(file(LOG_FILE), { ...options, synchronous: 'FULL' });
    const eventStore = opened(sqliteEventStore({ db, validate: validateEvent }));
    const stores = closeTogether({ eventStore, readStore, secretStore, keys, addKey, filesGone: watch.gone });
    return { ...stores, alone: (work: () => void) => inTransaction(db, work) };
  });
}

/** The log is on KurrentDB, the read models and the secrets are on MongoDB. Several nodes share them. */
async function openShared(config: StoreConfig, { log }: OpenOptions): Promise<Stores> {
  // Imported here, so that the embedded stores do not wait for these drivers, which take longer to load than all the
  // rest.
  const { openKurrent } = await import('./eventStore/openKurrent.ts');
  const { openMongo } = await import('./storage/openMongo.ts');
  const { kurrentEventStore } = await import('./eventStore/kurrentEventStore.ts');
  const { mongoReadStore } = await import('./readStore/mongoReadStore.ts');
  const { mongoSecretStore } = await import('./secretStore/mongoSecretStore.ts');
  const { eventStoreUrl, readStoreUrl, streamPrefix, collectionPrefix } = config;
  const { keys } = openKeyring(config);
  return openTogether(async (opened) => {
    const readStore = opened(mongoReadStore(await openMongo(readStoreUrl!, collectionPrefix!, log)));
    // Without the log: an outage of the server that both are on is reported once.
    const mongo = await openMongo(readStoreUrl!, collectionPrefix!);
    const secretStore = opened(mongoSecretStore({ mongo, keyring: keys }));
    const kurrent = opened(openKurrent(eventStoreUrl!, log));
    const eventStore = await kurrentEventStore({ kurrent, validate: validateEvent, prefix: streamPrefix! });
    const filesGone = new Promise<never>(() => undefined);
    return closeTogether({ eventStore, readStore, secretStore, keys, addKey: undefined, filesGone });
  });
}

function closeTogether(stores: Omit<Stores, 'close'>): Stores {
  const { eventStore, readStore, secretStore } = stores;
  return {
    ...stores,
    async close() {
      await Promise.all([eventStore.close(), readStore.close(), secretStore.close()]);
    },
  };
}

/**
 * Opens the store for nonces of signed changes, in the data directory. `gone` resolves once its file was removed or
 * replaced.
 */
export function openNonces({
  dataDir,
  maxNoncesPerClient,
}: Pick<Config, 'dataDir' | 'maxNoncesPerClient'>): NonceStore & { gone: Promise<FileGone> } {
  const watch = watchFiles();
  const db = openSqlite(join(dataDir, NONCES_FILE), { synchronous: 'NORMAL', watch });
  return { ...sqliteNonceStore({ db, maxPerSigner: maxNoncesPerClient }), gone: watch.gone };
}

/** The message bus. It connects at first use. */
export async function openMessageBus(settings: KafkaSettings, log: Logger): Promise<MessageBus> {
  // Loaded only where something is published: the driver is slow to load.
  const { openKafka } = await import('./messageBus/openKafka.ts');
  return kafkaMessageBus({ kafka: openKafka(settings, log), prefix: settings.topicPrefix });
}

/**
 * Starts the whole service except HTTP: everything that a command of the command line or a request needs. It opens the
 * configured stores, and creates them unless they `mustExist`, or uses the given `stores`. `close()` closes the stores
 * in either case.
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
    // A local log can be checked before every answer, so no limit is needed.
    const maxStaleness = config.eventStoreUrl === undefined ? undefined : config.maxStaleness;
    const freshness = await openFreshness({ eventStore, projector, log }, maxStaleness);
    started.push(freshness.stop);
    // Only stores that this process opened in its data directory are on a disk that it has to watch.
    const isOnDisk = config.eventStoreUrl === undefined && !opened;
    const diskReserve = isOnDisk
      ? await openDiskReserve(config.dataDir, { bytes: config.diskReserve, log })
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
    cachedClient: (clientId) => projector.clients.inMemory(clientId),
    expandInSlices: (scopes, work) => projector.roleGraph.expandInSlices(scopes, work),
    runSliced: (signerId, compute) =>
      longWork.run(
        { caller: signerId === undefined ? 'everybody' : callerKey({ signer: signerId }) },
        compute,
      ),
    scopesVersion: () => projector.roleGraph.version,
    onUsed: lastUsed.touch,
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
    async start() {
      return startPublisher({ eventStore, readStore, bus: await openMessageBus(kafka, log), log, holder });
    },
    state: sharedPublisherState(stores),
  };
  const present = presentState(projector, lastUsed);
  const past = {
    formerStates: makeFormerStates({ projector, eventStore, longWork }),
    moments: makeMoments({ eventStore, projector }),
  };
  const requestedState = makeRequestedState({ present, ...past });
  const core = {
    present,
    requestedState,
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
  const endpoints = [
    ...makeEndpoints({ core, clientHistory, past, authenticate, health }),
    ...guarded.endpoints,
  ];
  return {
    stores,
    /** Reads and changes clients and roles. */
    core,
    /** Answers requests. */
    answering: { endpoints, authenticate, freshness, longWork, log },
    /** Resolves when the tables that were missing at the start are built: until then, methods that need one answer 503. */
    untilComplete: projector.untilComplete,
    diskReserve,
    jobs: guarded.jobs,
    publisher,
    async close(): Promise<void> {
      await lastUsed.close();
      await stop();
    },
  };
}
