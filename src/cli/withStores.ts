import { openStores, type Stores } from '../compose.ts';
import { readConfig } from '../config/config.ts';
import { commandLog } from './commandLog.ts';
import { guardedServices } from '../services/guardedServices.ts';
import { requireLog } from './requireLog.ts';

/**
 * Runs a command on the stores alone, and closes them in any case. Throws ConfigError if the command `onlyReads` and there
 * is no log.
 */
export async function withStores(
  run: (stores: Stores) => Promise<void>,
  { onlyReads = false } = {},
): Promise<void> {
  const config = readConfig(guardedServices);
  if (onlyReads) requireLog(config);
  const stores = await openStores(config, { log: commandLog(config) });
  try {
    await run(stores);
  } finally {
    await stores.close();
  }
}
