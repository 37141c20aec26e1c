import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { makeAuthenticate } from './api/authenticate.ts';
import { declareEndpoints } from './api/declareEndpoints.ts';
import { makeFindSigner } from './api/findSigner.ts';
import { makeClientHistory } from './clientHistory.ts';
import type { Config } from './config.ts';
import { sqliteEventStore } from './eventStore/sqliteEventStore.ts';
import { validateEvent } from './eventStore/validateEvent.ts';
import { makeFresh } from './freshness.ts';
import { makeHandleCommand } from './handleCommand.ts';
import { openLastUsed } from './lastUsed.ts';
import { openSqlite } from './openSqlite.ts';
import { startProjector } from './project.ts';
import { sqliteReadStore } from './readStore/sqliteReadStore.ts';
import { addKeyToFile, keysInFile, whenChanged } from './secretStore/keyFile.ts';
import { keyring } from './secretStore/keyring.ts';
import { secretMaker } from './secretStore/newSecret.ts';
import { sqliteSecretStore } from './secretStore/sqliteSecretStore.ts';

export type Stores = ReturnType<typeof openStores>;
export type Service = Awaited<ReturnType<typeof startService>>;

/**
 * Opens the stores that the configuration names. The log, the read models and the secrets are three SQLite files in
 * the data directory: the log can be given to an auditor without a sealed secret in it, the read models can be deleted
 * at any time, and no write of one waits for another.
 */
export function openStores(config: Pick<Config, 'dataDir' | 'secretKeys'>) {
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const file = (name: string): string => join(config.dataDir, name);
  const keyFile = config.secretKeys ? undefined : file('secret-keys.json');
  const keys =
    keyFile === undefined
      ? keyring(() => config.secretKeys!)
      : keyring(() => keysInFile(keyFile), whenChanged(keyFile));
  const eventStore = sqliteEventStore({
    db: openSqlite(file('log.sqlite'), { synchronous: 'FULL' }),
    validate: validateEvent,
  });
  const readStore = sqliteReadStore({ db: openSqlite(file('read.sqlite'), { synchronous: 'NORMAL' }) });
  const secretStore = sqliteSecretStore({
    db: openSqlite(file('secrets.sqlite'), { synchronous: 'FULL', secureDelete: true }),
    keyring: keys,
  });
  return {
    eventStore,
    readStore,
    secretStore,
    keys,
    /** Adds a key to the generated key file; undefined where the operator keeps the keys. */
    addKey: keyFile === undefined ? undefined : () => addKeyToFile(keyFile),
    async close(): Promise<void> {
      await Promise.all([eventStore.close(), readStore.close(), secretStore.close()]);
    },
  };
}

/** The whole service but for HTTP: everything that a command of the command line, or a request, works with. */
export async function startService(config: Config, log: Logger) {
  const stores = openStores(config);
  const { eventStore, readStore, secretStore } = stores;
  const holder = `${hostname()}/${process.pid}/${randomUUID()}`;
  const projector = await startProjector({ eventStore, readStore, log, holder }).catch(
    async (error: unknown) => {
      await stores.close();
      throw error;
    },
  );
  const makeSecret = await secretMaker(secretStore);
  const handleCommand = makeHandleCommand({ eventStore, secretStore, projector, log });
  const lastUsed = openLastUsed(readStore, log);
  const authenticate = makeAuthenticate({
    findSigner: makeFindSigner({ projector, secretStore }),
    revisionOf: (clientId) => projector.clients.inMemory(clientId)?.revision,
    expand: (scopes) => projector.roleGraph.expand(scopes),
    version: () => projector.roleGraph.version,
    used: lastUsed.touch,
  });
  async function checkBackends(): Promise<void> {
    await projector.fresh();
    await Promise.all([projector.clients.checkpoint(), secretStore.list({ limit: 1 })]);
  }
  const services = {
    ...stores,
    projector,
    makeSecret,
    handleCommand,
    lastUsed,
    authenticate,
    clientHistory: makeClientHistory(eventStore),
    checkBackends,
  };
  return {
    ...services,
    endpoints: declareEndpoints(services),
    fresh: makeFresh({ eventStore, projector }),
    async close(): Promise<void> {
      await lastUsed.close();
      await projector.stop();
      await stores.close();
    },
  };
}
