import { type Service, startService } from '../compose.ts';
import { type Config, readConfig } from '../config/config.ts';
import { commandLog } from './commandLog.ts';
import { guardedServices } from '../services/guardedServices.ts';

/** Runs a command on the service without HTTP, and closes it in any case. */
export async function withService<T>(run: (service: Service, config: Config) => Promise<T>): Promise<T> {
  const config = readConfig(guardedServices);
  const service = await startService(config, commandLog(config));
  try {
    return await run(service, config);
  } finally {
    await service.close();
  }
}
