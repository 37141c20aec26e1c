import { Argument, Command } from 'commander';
import chalk from 'chalk';
import { withAsk } from './ask.ts';
import { type AuditorOptions, printAnswer, withAuditorOptions } from './auditorOptions.ts';
import { counted } from './counted.ts';
import { idArgument } from './idArgument.ts';
import { printable } from './printable.ts';
import type { Tree } from './tree.ts';

type Entry = {
  clientId?: string;
  roleId?: string;
  description: string;
  scopes: string[];
  expandedScopes: string[];
  created: string;
  lastModified: string;
  lastDateUsed?: string;
  expires?: string;
  disabled?: boolean;
};

/** `authledger show`. */
export function showCommand(): Command {
  const command = new Command('show')
    .description('print one client or role, with all scopes that it expands to; never a secret')
    .addArgument(new Argument('<kind>', 'of what').choices(['client', 'role']))
    .argument('<id>', 'its clientId or roleId');
  return withAuditorOptions(command).action((kind: 'client' | 'role', id: string, options: AuditorOptions) =>
    withAsk(options, { at: '--at' }, async (ask) => {
      idArgument(kind, 'ID', id);
      const { body: entry, position } = await ask<Entry>({
        method: kind,
        params: { [`${kind}Id`]: id },
        query: { at: options.at },
      });
      const moment = options.at && momentText(printable(options.at), position);
      await printAnswer(entry, options, (shown) => [treeOf(kind, shown, moment)]);
    }),
  );
}

function momentText(at: string, position: string | undefined): string {
  return position === undefined || position === at ? at : `${at} (${printable(position)})`;
}

/** `moment` is that of the past, if the entry is of one. */
function treeOf(kind: string, entry: Entry, moment: string | undefined): Tree {
  const { description, scopes, expandedScopes, created, lastModified, lastDateUsed, expires, disabled } =
    entry;
  // Last uses are not in the log.
  const lastUse = moment === undefined ? `, last used ${lastDateUsed}` : '';
  // A role's expansion has the scope that grants it.
  const own = new Set([...scopes, ...(entry.roleId === undefined ? [] : [`assume:${entry.roleId}`])]);
  const others = expandedScopes.filter((scope) => !own.has(scope));
  return {
    text:
      chalk.bold(`${kind} ${entry.clientId ?? entry.roleId}`) + (disabled ? chalk.red(' (disabled)') : ''),
    branches: [
      ...(moment === undefined ? [] : [{ text: chalk.dim(`as of ${moment}`) }]),
      ...(description === '' ? [] : [{ text: description }]),
      { text: `created ${created}, last changed ${lastModified}` },
      ...(expires === undefined ? [] : [{ text: `expires ${expires}${lastUse}` }]),
      { text: `${counted(scopes.length, 'scope')} of its own`, branches: scopes.map((text) => ({ text })) },
      { text: `${others.length} more through roles`, branches: others.map((text) => ({ text })) },
    ],
  };
}
