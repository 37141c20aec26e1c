import chalk from 'chalk';
import { type Ask, withAsk } from './ask.ts';
import { counted } from './counted.ts';
import { print } from './output.ts';
import { asciiJson, withPrintableTexts } from './printable.ts';
import { type Tree, treeLines } from './tree.ts';

type Value = string | boolean | { id: string; fingerprint: string };
type Entry = {
  position: string;
  type: string;
  at: string;
  actor: string;
  issuer?: string;
  requestId: string;
  reason?: string;
  sourceIp?: string;
  entity: { kind: string; id: string };
  changes: { field: string; before?: Value; after?: Value }[];
  scopesAdded: string[];
  scopesRemoved: string[];
  issued?: { target: string; level?: string; expires: string };
};
type Page = { entries: Entry[]; hidden: number; continuationToken?: string };

/** What to print of the history. */
export type ContentOptions = {
  client?: string;
  role?: string;
  service?: string;
  prefix?: string;
  actor?: string;
  type?: string;
  after?: string;
  at?: string;
  limit?: number;
  newest?: true;
  json?: true;
  rootUrl?: string;
};

/** Entries in one page of the API. */
const PAGE_SIZE = 1000;

/** The options for parameters of the method `history`. */
const OPTION_NAMES = {
  from: '--after',
  to: '--at',
  until: '--at',
  at: '--at',
  ...Object.fromEntries(
    ['client', 'role', 'service', 'prefix', 'actor', 'type'].map((name) => [name, `--${name}`]),
  ),
};

/** Prints events with what each changed. */
export function printContent(options: ContentOptions): Promise<void> {
  return withAsk(options, OPTION_NAMES, (ask) => print(linesOf(ask, options)));
}

async function* linesOf(ask: Ask, options: ContentOptions): AsyncGenerator<string> {
  const { after, at, limit = Infinity, newest, json, rootUrl: _, ...filter } = options;
  const isTime = at !== undefined && !/^[0-9a-f]{12}\./.test(at);
  const query = {
    ...filter,
    order: newest ? 'newest' : 'oldest',
    ...(after !== undefined && { from: after }),
    ...(at !== undefined && { [isTime ? 'until' : 'to']: at }),
  };
  let left = limit;
  let hidden = 0;
  let continuationToken: string | undefined;
  do {
    const size = String(Math.min(left, PAGE_SIZE));
    const { body: page } = await ask<Page>({
      method: 'history',
      query: { ...query, limit: size, continuationToken },
    });
    for (const entry of page.entries)
      yield json ? `${asciiJson(entry)}\n` : `${treeLines([treeOf(withPrintableTexts(entry))]).join('\n')}\n`;
    left -= page.entries.length;
    hidden += page.hidden;
    ({ continuationToken } = page);
  } while (continuationToken !== undefined && left > 0);
  if (hidden > 0) console.error(`left out: ${counted(hidden, 'event')} that these credentials may not read`);
}

function treeOf(entry: Entry): Tree {
  const { position, type, at, actor, issuer, requestId, reason, sourceIp, entity, issued } = entry;
  const from = sourceIp === undefined ? '' : ` from ${sourceIp}`;
  const by = issuer === undefined ? actor : `${actor} (credentials by ${issuer})`;
  return {
    text: `${chalk.bold(`${type} ${entity.kind} ${entity.id}`)}\n${at} by ${by}, request ${requestId}${from}\n${chalk.dim(position)}`,
    branches: [
      ...(reason === undefined ? [] : [{ text: `reason: ${reason}` }]),
      ...(issued
        ? [{ text: `${issued.target}${issued.level ? ` (${issued.level})` : ''} until ${issued.expires}` }]
        : []),
      ...entry.changes.map(({ field, before, after }) => ({
        text: `${field}: ${changeText(before, after)}`,
      })),
      ...entry.scopesAdded.map((scope) => ({ text: chalk.green(`+ ${scope}`) })),
      ...entry.scopesRemoved.map((scope) => ({ text: chalk.red(`- ${scope}`) })),
    ],
  };
}

function changeText(before: Value | undefined, after: Value | undefined): string {
  if (before === undefined) return valueText(after);
  return after === undefined ? `${valueText(before)} is gone` : `${valueText(before)} → ${valueText(after)}`;
}

function valueText(value: Value | undefined): string {
  if (typeof value === 'object') return `${value.id} (fingerprint ${value.fingerprint})`;
  return value === '' ? '""' : String(value);
}
