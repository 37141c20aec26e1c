import { Argument, Command } from 'commander';
import { inBackground } from './inBackground.ts';

/** `authledger export`. */
export function exportCommand(): Command {
  return new Command('export')
    .description('write all roles or all clients to standard output, as `import` reads them; never a secret')
    .addArgument(new Argument('<what>').choices(['roles', 'clients']))
    .action(inBackground(async () => (await import('./exportAll.ts')).exportAll));
}
