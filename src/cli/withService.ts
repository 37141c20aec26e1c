import { type Service, startService } from '../compose.ts';
import { type Config, readConfig } from '../config/config.ts';
import { commandLog } from './commandLog.ts';
import { guardedServices } from '../services/guardedServices.ts';
import { requireLog } from './requireLog.ts';

/**
 * Runs a command on the service without HTTP, and closes it in any case. Throws ConfigError if the command `onlyReads` and
 * there is no log.
 */
export async function withService<T>(
  run: (service: Service, config: Config) => Promise<T>,
  { onlyReads = false } = {},
): Promise<T> {
  const config = readConfig(guardedServices);
  if (onlyReads) requireLog(config);
  const service = await startService(config, commandLog(config));
  try {
    return await run(service, config);
  } finally {
    await service.close();
  }
}
