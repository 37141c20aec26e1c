import type { Command } from 'commander';
import { Option } from 'commander';
import { momentArgument } from './momentArgument.ts';
import { print } from './output.ts';
import { asciiJson, withPrintableTexts } from './printable.ts';
import { type Tree, treeLines } from './tree.ts';

/** Options of every command that answers an auditor's question. */
export type AuditorOptions = { at?: string; json?: true; rootUrl?: string };

/** Adds these options to a command. */
export function withAuditorOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--at <moment>', 'as of a position of the log, or of a date with time and zone').argParser(
        (text) => momentArgument('--at', text),
      ),
    )
    .addOption(
      new Option(
        '--root-url <url>',
        'ask the service at this URL, with the credentials in TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN; without ' +
          'it, the stores that the settings name are read',
      ),
    )
    .addOption(new Option('--json', 'the whole answer in JSON'));
}

/** Prints an answer: as JSON, or as trees for people. */
export async function printAnswer<Answer>(
  answer: Answer,
  { json }: AuditorOptions,
  toTrees: (answer: Answer) => readonly Tree[],
): Promise<void> {
  const lines = json ? [asciiJson(answer)] : treeLines(toTrees(withPrintableTexts(answer)));
  await print(linesOf(lines));
}

async function* linesOf(lines: readonly string[]): AsyncGenerator<string> {
  for (const line of lines) yield `${line}\n`;
}
