import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type * as startModule from '../src/cli/startServer.ts';
import type * as configModule from '../src/config/config.ts';
import type * as kurrentModule from '../src/eventStore/kurrentEventStore.ts';
import type * as connectionModule from '../src/eventStore/openKurrent.ts';
import type * as validateModule from '../src/eventStore/validateEvent.ts';
import type * as loggerModule from '../src/process/logger.ts';
import type * as readStoreModule from '../src/readStore/memoryReadStore.ts';
import type * as keyringModule from '../src/secretStore/keyring.ts';
import type * as secretStoreModule from '../src/secretStore/memorySecretStore.ts';
import type * as guardedModule from '../src/services/guardedServices.ts';

/**
 * A node of the build in the folder `dist/src` (first argument), with its log at a KurrentDB server (second argument) and
 * read models and secrets in memory, so that nothing but the log takes time. Settings come from the environment.
 */
const [folder, url] = process.argv.slice(2) as [string, string];
const load = <M>(file: string): Promise<M> => import(join(folder, file)) as Promise<M>;
const { startServer } = await load<typeof startModule>('cli/startServer.js');
const { readConfig } = await load<typeof configModule>('config/config.js');
const { kurrentEventStore } = await load<typeof kurrentModule>('eventStore/kurrentEventStore.js');
const { openKurrent } = await load<typeof connectionModule>('eventStore/openKurrent.js');
const { validateEvent } = await load<typeof validateModule>('eventStore/validateEvent.js');
const { makeLogger } = await load<typeof loggerModule>('process/logger.js');
const { memoryReadStore } = await load<typeof readStoreModule>('readStore/memoryReadStore.js');
const { keyring } = await load<typeof keyringModule>('secretStore/keyring.js');
const { memorySecretStore } = await load<typeof secretStoreModule>('secretStore/memorySecretStore.js');
const { guardedServices } = await load<typeof guardedModule>('services/guardedServices.js');

const key = { id: 'one', key: randomBytes(32) };
const keys = keyring(() => [key]);
const config = readConfig(guardedServices, {
  ...process.env,
  EVENT_STORE_URL: url,
  READ_STORE_URL: 'mongodb://in.memory',
  SECRET_KEYS: JSON.stringify([{ id: key.id, key: key.key.toString('base64') }]),
});
const stores = {
  eventStore: await kurrentEventStore({
    kurrent: openKurrent(url),
    validate: validateEvent,
    prefix: 'bench.',
  }),
  readStore: memoryReadStore(),
  secretStore: memorySecretStore({ keyring: keys }),
  keys,
  addKey: undefined,
  filesGone: new Promise<never>(() => undefined),
  close: async () => undefined,
};
const log = makeLogger({ level: 'info' });
const { rootUrl, stop } = await startServer(config, { log, stores });
log.info({ rootUrl }, 'serving');
process.once('SIGTERM', () => void stop().then(() => process.exit(0)));
