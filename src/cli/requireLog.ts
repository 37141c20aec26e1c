import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { invalid } from '../config/configError.ts';
import { LOG_FILE } from '../config/dataDirectory.ts';

/**
 * Throws ConfigError if the log would be in the data directory and is not: what only reads must not create an empty one
 * and answer from it.
 */
export function requireLog({ dataDir, eventStoreUrl }: Pick<Config, 'dataDir' | 'eventStoreUrl'>): void {
  if (eventStoreUrl === undefined && !existsSync(join(dataDir, LOG_FILE)))
    invalid(`there is no log in DATA_DIR=${dataDir}: it must be the DATA_DIR of a service`);
}
