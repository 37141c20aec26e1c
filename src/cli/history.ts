import { Command, InvalidArgumentError, Option } from 'commander';
import { invalid } from '../config/configError.ts';
import type { Recorded } from '../event.ts';
import { isPositionOf } from '../eventStore/position.ts';
import { type HistoryQuery, logHistory } from '../readSide/logHistory.ts';
import { type PublishedEvent, subjectOf } from '../messageBus/cloudEvent.ts';
import { guardedServices } from '../services/guardedServices.ts';
import { inBackground } from './inBackground.ts';
import { print } from './output.ts';
import { withStores } from './withStores.ts';

type Options = HistoryQuery & { json?: true };

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
    .action(inBackground(history));
}

function history({ json, ...query }: Options): Promise<void> {
  return withStores(async ({ eventStore }) => {
    const { after } = query;
    if (after !== undefined && !isPositionOf(after, eventStore.start))
      invalid('--after must be a position of this log, as this command prints it in the first column');
    await print(linesOf(logHistory(eventStore, query), json ? asciiJson : formatLine));
  });
}

async function* linesOf(
  events: AsyncIterable<Recorded>,
  shown: (event: Recorded) => string,
): AsyncGenerator<string> {
  for await (const event of events) yield `${shown(event)}\n`;
}

/** JSON in ASCII. JSON alone leaves some control characters unescaped, which could control the terminal. */
function asciiJson(event: Recorded): string {
  return JSON.stringify(event).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function formatLine(event: Recorded): string {
  const { position, type, metadata } = event;
  const { actor, issuer, at, requestId, reason } = metadata;
  const words = [
    position,
    at,
    type,
    ...subjectWords(event as Recorded<PublishedEvent>),
    `by ${actor}`,
    ...(issuer === undefined ? [] : [`(credentials by ${issuer})`]),
    `request ${requestId}`,
    ...(reason === undefined ? [] : [`reason ${JSON.stringify(reason)}`]),
  ];
  return printable(words.join(' '));
}

function subjectWords({ data }: Recorded<PublishedEvent>): string[] {
  const subject = asSingleWord(subjectOf(data));
  if (!('service' in data)) return [subject];
  const { target, level, expires } = data;
  return [subject, asSingleWord(target), ...(level === undefined ? [] : [level]), `until ${expires}`];
}

/** Quotes an id or target that could be mistaken for other parts of the line. */
function asSingleWord(text: string): string {
  return /^[\x21\x23-\x7e]+$/.test(text) ? text : JSON.stringify(text);
}

/** Escapes characters that could control the terminal. */
function printable(line: string): string {
  return line.replaceAll(/[^\x20-\x7e]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return count;
}
