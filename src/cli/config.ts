import { Command } from 'commander';
import { readConfig, redactedConfig } from '../config/config.ts';
import { guardedServices } from '../services/guardedServices.ts';

/** `authledger config`. */
export function configCommand(): Command {
  return new Command('config')
    .description('print the settings that are in force, secrets left out')
    .action(() =>
      console.log(JSON.stringify(redactedConfig(guardedServices, readConfig(guardedServices)), undefined, 2)),
    );
}
