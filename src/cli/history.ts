import { Command, InvalidArgumentError, Option } from 'commander';
import { guardedServices } from '../services/guardedServices.ts';
import { inBackground } from './inBackground.ts';

/** `authledger history`. */
export function historyCommand(): Command {
  return new Command('history')
    .description(
      'print what is in the log, oldest first: where it is in the log, when, what, on which client, role or service, who, and ' +
        'through which request; never a secret',
    )
    .addOption(new Option('--client <id>', 'of one client').conflicts(['role', 'service']))
    .addOption(new Option('--role <id>', 'of one role').conflicts(['client', 'service']))
    .addOption(
      new Option('--service <name>', 'credentials that one guarded service gave')
        .choices(guardedServices.map(({ name }) => name))
        .conflicts(['client', 'role']),
    )
    .option('--actor <id>', 'by one clientId only')
    .option('--after <position>', 'what came after a position only')
    .option('--limit <n>', 'so many at most', parseCount)
    .option('--json', 'whole events, as a line of JSON each')
    .action(inBackground(async () => (await import('./printHistory.ts')).printHistory));
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return count;
}
