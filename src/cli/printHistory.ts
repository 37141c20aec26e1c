import { invalid } from '../config/configError.ts';
import type { Recorded } from '../event.ts';
import { isPositionOf } from '../eventStore/position.ts';
import { type HistoryQuery, logHistory } from '../readSide/logHistory.ts';
import { type PublishedEvent, subjectOf } from '../messageBus/cloudEvent.ts';
import { print } from './output.ts';
import { withStores } from './withStores.ts';

type Options = HistoryQuery & { json?: true };

/** Prints what is in the log and was asked for, a line for each event. Throws ConfigError for a position that is none of it. */
export function printHistory({ json, ...query }: Options): Promise<void> {
  return withStores(async ({ eventStore }) => {
    const { after } = query;
    if (after !== undefined && !isPositionOf(after, eventStore.start))
      invalid('--after must be a position of this log, as this command prints it in the first column');
    await print(linesOf(logHistory(eventStore, query), json ? asciiJson : told));
  });
}

async function* linesOf(
  events: AsyncIterable<Recorded>,
  shown: (event: Recorded) => string,
): AsyncGenerator<string> {
  for await (const event of events) yield `${shown(event)}\n`;
}

/** No text from outside moves the cursor of a terminal: control characters are not all of those that JSON escapes. */
function asciiJson(event: Recorded): string {
  return JSON.stringify(event).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function told(event: Recorded): string {
  const { position, type, metadata } = event;
  const { actor, issuer, at, requestId, reason } = metadata;
  const words = [
    position,
    at,
    type,
    ...about(event as Recorded<PublishedEvent>),
    `by ${actor}`,
    ...(issuer === undefined ? [] : [`(credentials by ${issuer})`]),
    `request ${requestId}`,
    ...(reason === undefined ? [] : [`reason ${JSON.stringify(reason)}`]),
  ];
  return printable(words.join(' '));
}

function about({ data }: Recorded<PublishedEvent>): string[] {
  const subject = asWord(subjectOf(data));
  if (!('service' in data)) return [subject];
  const { target, level, expires } = data;
  return [subject, asWord(target), ...(level === undefined ? [] : [level]), `until ${expires}`];
}

/** An id or target cannot pass for the words around it. */
function asWord(text: string): string {
  return /^[\x21\x23-\x7e]+$/.test(text) ? text : JSON.stringify(text);
}

/** No text from outside moves the cursor of a terminal. */
function printable(line: string): string {
  return line.replaceAll(/[^\x20-\x7e]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
