import { type Service, startService } from '../compose.ts';
import { readConfig } from '../config.ts';
import { commandLog } from './commandLog.ts';

/** Runs a command of the command line on the service's parts, without HTTP, and closes them whatever happens. */
export async function withService<T>(run: (service: Service) => Promise<T>): Promise<T> {
  const config = readConfig();
  const service = await startService(config, commandLog(config));
  try {
    return await run(service);
  } finally {
    await service.close();
  }
}
