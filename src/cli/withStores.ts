import { openStores, type Stores } from '../compose.ts';
import { readConfig } from '../config.ts';

/** Runs a command of the command line on the stores alone, and closes them whatever happens. */
export async function withStores(run: (stores: Stores) => Promise<void>): Promise<void> {
  const stores = await openStores(readConfig());
  try {
    await run(stores);
  } finally {
    await stores.close();
  }
}
