import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { makeLogger } from '../process/logger.ts';

/** The log of a command: on standard error, as standard output belongs to the command, and of warnings unless another level is set. */
export function commandLog({ logLevel }: Pick<Config, 'logLevel'>): Logger {
  return makeLogger({ level: logLevel === 'info' ? 'warn' : logLevel, destination: process.stderr });
}
