import { Command, InvalidArgumentError, Option } from 'commander';
import { guardedServices } from '../services/guardedServices.ts';
import type { HistoryQuery } from '../readSide/logHistory.ts';
import { idArgument } from './idArgument.ts';
import { momentArgument, positionArgument } from './momentArgument.ts';
import { inBackground } from './inBackground.ts';
import type { ContentOptions } from './printContent.ts';

/** Options of which each asks for what events changed. */
const ASK_FOR_CONTENT = ['newest', 'prefix', 'type', 'at', 'rootUrl'];

/** `authledger history`. */
export function historyCommand(): Command {
  return new Command('history')
    .description(
      'print what is in the log, oldest first: where it is in the log, when, what, on which client, role or service, who, and ' +
        'through which request; never a secret',
    )
    .addOption(
      new Option('--client <id>', 'of one client')
        .argParser(idIn('client', '--client'))
        .conflicts(['role', 'service']),
    )
    .addOption(
      new Option('--role <id>', 'of one role')
        .argParser(idIn('role', '--role'))
        .conflicts(['client', 'service']),
    )
    .addOption(
      new Option('--service <name>', 'credentials that one guarded service gave')
        .choices(guardedServices.map(({ name }) => name))
        .conflicts(['client', 'role']),
    )
    .option('--actor <id>', 'by one clientId only', idIn('client', '--actor'))
    .option('--after <position>', 'what came after a position only', (text: string) =>
      positionArgument('--after', text),
    )
    .option('--limit <n>', 'so many at most', parseCount)
    .option('--content', 'with what each event changed')
    .option('--newest', 'newest first, with what each event changed')
    .addOption(
      new Option('--prefix <id>', 'of clients and roles whose ids begin so, with what each event changed')
        .argParser(idIn('role', '--prefix'))
        .conflicts(['client', 'role', 'service']),
    )
    .option('--type <types>', 'of these types, separated by commas, with what each event changed')
    .option(
      '--at <moment>',
      'up to a position, or to a date with time and zone, with what each event changed',
      (text: string) => momentArgument('--at', text),
    )
    .option(
      '--root-url <url>',
      'ask the service at this URL, with the credentials in TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN, with what each ' +
        'event changed',
    )
    .option('--json', 'whole events, as a line of JSON each')
    .action(
      inBackground(async () => {
        const { printHistory } = await import('./printHistory.ts');
        const { printContent } = await import('./printContent.ts');
        return ({ content, ...options }: HistoryQuery & ContentOptions & { content?: true }) =>
          content || ASK_FOR_CONTENT.some((name) => name in options)
            ? printContent(options)
            : printHistory(options);
      }),
    );
}

function idIn(kind: 'client' | 'role', name: string): (text: string) => string {
  return (text) => idArgument(kind, name, text);
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return count;
}
