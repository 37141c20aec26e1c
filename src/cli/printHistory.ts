import { invalid } from '../config/configError.ts';
import type { Recorded } from '../event.ts';
import { isPositionOf } from '../eventStore/position.ts';
import { type HistoryQuery, logHistory } from '../readSide/logHistory.ts';
import { type PublishedEvent, subjectOf } from '../messageBus/cloudEvent.ts';
import { print } from './output.ts';
import { asciiJson, printable } from './printable.ts';
import { wrappedLine } from './tree.ts';
import { withStores } from './withStores.ts';

type Options = HistoryQuery & { json?: true };

/** Prints the events of the log that match the query, one line each. Throws ConfigError for a position of another log. */
export function printHistory({ json, ...query }: Options): Promise<void> {
  return withStores(
    async ({ eventStore }) => {
      const { after } = query;
      if (after !== undefined && !isPositionOf(after, eventStore.start))
        invalid('--after must be a position of this log, as this command prints it in the first column');
      await print(linesOf(logHistory(eventStore, query), json ? asciiJson : formatLine));
    },
    { onlyReads: true },
  );
}

async function* linesOf(
  events: AsyncIterable<Recorded>,
  shown: (event: Recorded) => string,
): AsyncGenerator<string> {
  for await (const event of events) yield `${shown(event)}\n`;
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
  return wrappedLine(printable(words.join(' ')), process.stdout.columns);
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
