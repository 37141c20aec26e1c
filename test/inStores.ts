import { openStores, type Stores } from '../src/compose.ts';
import { readConfig } from '../src/config/config.ts';
import type { Recorded } from '../src/event.ts';
import { take } from './contracts/eventStore.ts';
import { guardedServices } from '../src/services/guardedServices.ts';

/** Opens the stores that some settings name, for a look beside whoever else uses them, and closes them again. */
export async function inStores<T>(
  env: Record<string, string>,
  look: (stores: Stores) => Promise<T>,
): Promise<T> {
  const stores = await openStores(readConfig(guardedServices, env));
  try {
    return await look(stores);
  } finally {
    await stores.close();
  }
}

/** Every event in the log that some settings name, in its order. */
export function logIn(env: Record<string, string>): Promise<Recorded[]> {
  return inStores(env, ({ eventStore }) => take(eventStore));
}

/** Events as they are wherever their log was copied to: without their positions, which are a store's own. */
export function withoutPositions(events: readonly Recorded[]): object[] {
  return events.map((event) => ({ ...event, position: undefined }));
}
