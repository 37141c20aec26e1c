/**
 * A node that takes the log in files of a directory (DATA_DIR) for one on another machine: it proves now and then that it
 * has everything, where it would look before every answer. Run as a process of its own, on the built program, so that it
 * can be frozen. Says where it serves.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openStores } from '../dist/src/compose.js';
import { readConfig } from '../dist/src/config/config.js';
import { makeLogger } from '../dist/src/process/logger.js';
import { startServer } from '../dist/src/cli/startServer.js';
import { guardedServices } from '../dist/src/services/guardedServices.js';

const log = makeLogger({ level: 'warn', destination: process.stderr });
const files = await openStores({
  ...readConfig(guardedServices, { DATA_DIR: process.argv[2] }),
  secretKeys: undefined,
});
/** Events take a while to another machine. */
const LAG = 500;
const eventStore = {
  ...files.eventStore,
  async *subscribe(options) {
    for await (const batch of files.eventStore.subscribe(options)) {
      await sleep(LAG);
      yield batch;
    }
  },
};
const stores = { ...files, eventStore };
const config = readConfig(guardedServices, {
  ...process.env,
  PORT: '0',
  EVENT_STORE_URL: 'kurrentdb://in.files',
  READ_STORE_URL: 'mongodb://in.files',
  SECRET_KEYS: JSON.stringify([{ id: 'unused', key: Buffer.alloc(32).toString('base64') }]),
});
const { rootUrl } = await startServer(config, { log, stores });
console.log(rootUrl);
