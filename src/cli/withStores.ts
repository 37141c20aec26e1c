import { openStores, type Stores } from '../compose.ts';
import { readConfig } from '../config/config.ts';
import { commandLog } from './commandLog.ts';
import { guardedServices } from '../services/guardedServices.ts';

/** Runs a command on the stores alone, and closes them in any case. */
export async function withStores(run: (stores: Stores) => Promise<void>): Promise<void> {
  const config = readConfig(guardedServices);
  const stores = await openStores(config, { log: commandLog(config) });
  try {
    await run(stores);
  } finally {
    await stores.close();
  }
}
