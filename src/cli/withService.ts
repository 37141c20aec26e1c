import { type Service, startService } from '../compose.ts';
import { readConfig } from '../config.ts';
import { makeLogger } from '../logger.ts';

/** Runs a command of the command line on the service's parts, without HTTP, and closes them whatever happens. */
export async function withService<T>(run: (service: Service) => Promise<T>): Promise<T> {
  const config = readConfig();
  // Standard output belongs to the command.
  const log = makeLogger({
    level: config.logLevel === 'info' ? 'warn' : config.logLevel,
    destination: process.stderr,
  });
  const service = await startService(config, log);
  try {
    return await run(service);
  } finally {
    await service.close();
  }
}
