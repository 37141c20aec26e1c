import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { makeLogger } from '../process/logger.ts';

/**
 * The logger of a command. It writes to standard error, because standard output is the command's. Its level is `warn`
 * unless another one is set.
 */
export function commandLog({ logLevel }: Pick<Config, 'logLevel'>): Logger {
  return makeLogger({ level: logLevel === 'info' ? 'warn' : logLevel, destination: process.stderr });
}
