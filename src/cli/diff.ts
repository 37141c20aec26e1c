import chalk from 'chalk';
import { Command, Option } from 'commander';
import { invalid } from '../config/configError.ts';
import { type Ask, withAsk } from './ask.ts';
import { type AuditorOptions, printAnswer, withAuditorOptions } from './auditorOptions.ts';
import { scopeArgument } from './expressionArgument.ts';
import { idArgument } from './idArgument.ts';
import { momentArgument } from './momentArgument.ts';
import type { Tree } from './tree.ts';

type Subject = { clientId: string } | { roleId: string };
type Cause = { position: string; at: string; type: string; subject: Subject; actor: string; reason?: string };
type Change = {
  subject: Subject;
  gained: string[];
  lost: string[];
  gainedCount: number;
  lostCount: number;
  causes: Cause[];
  expired?: string;
  complete: boolean;
};
/** `at` is the time of the event at the position, `time` the one at which it is judged what had expired. */
type Moment = { position: string; at?: string; time?: string };
/** The reply of the method `whatChanged`, as far as it is shown. */
export type Difference = {
  from: Moment;
  to: Moment;
  changes: Change[];
  complete: boolean;
  continuationToken?: string;
};

type Options = AuditorOptions & { client: string[]; role: string[]; scope: string[] };

/** Some refusals say `at` for either moment. */
const OPTION_NAMES = { from: 'FROM', to: 'TO', at: 'FROM or TO' };

/** `authledger diff`. */
export function diffCommand(): Command {
  const command = new Command('diff')
    .description(
      'print whose effective scopes changed between two moments, how, and by which events; each is a position or a date with ' +
        'time and zone',
    )
    .argument('<from>', 'the earlier moment', (text) => momentArgument('FROM', text))
    .argument('[to]', 'the later one; when left out, that of --at, or now', (text: string) =>
      momentArgument('TO', text),
    )
    .addOption(new Option('--client <id...>', 'only these clients').default([], 'all'))
    .addOption(new Option('--role <id...>', 'only these roles').default([], 'all'))
    .addOption(new Option('--scope <scope...>', 'only changes that concern these scopes').default([], 'all'));
  return withAuditorOptions(command).action((from: string, later: string | undefined, options: Options) =>
    withAsk(options, OPTION_NAMES, async (ask) => {
      if (later !== undefined && options.at !== undefined)
        invalid('the later moment and --at are the same thing: give only one');
      const to = later ?? options.at;
      const subjects = [
        ...options.client.map((id) => ({ clientId: idArgument('client', '--client', id) })),
        ...options.role.map((id) => ({ roleId: idArgument('role', '--role', id) })),
      ];
      const answer = await askAll(ask, {
        from,
        ...(to !== undefined && { to }),
        ...(subjects.length > 0 && { subjects }),
        ...(options.scope.length > 0 && {
          scopes: options.scope.map((scope) => scopeArgument('--scope', scope)),
        }),
      });
      await printAnswer(answer, options, differenceTrees);
    }),
  );
}

/** Asks for all pages. */
async function askAll(ask: Ask, question: object): Promise<Difference> {
  const body = { ...question, limit: 1000 };
  let { body: page } = await ask<Difference>({ method: 'whatChanged', body });
  const { from, to } = page;
  const changes = [...page.changes];
  while (page.continuationToken !== undefined) {
    const { continuationToken } = page;
    ({ body: page } = await ask<Difference>({ method: 'whatChanged', body: { ...body, continuationToken } }));
    changes.push(...page.changes);
  }
  return { from, to, changes, complete: page.complete };
}

/** What changed, as a terminal shows it. */
export function differenceTrees({ from, to, changes }: Omit<Difference, 'continuationToken'>): Tree[] {
  const count = changes.length === 1 ? 'one change' : `${changes.length || 'no'} changes`;
  return [
    { text: chalk.bold(`${count} of effective scopes`) },
    { text: `from ${nameOfMoment(from)}` },
    { text: `to ${nameOfMoment(to)}` },
    ...changes.map(treeOf),
  ];
}

function nameOfMoment({ position, at, time = at }: Moment): string {
  return at === undefined ? 'before the first event' : `${time} (${position})`;
}

function treeOf(change: Change): Tree {
  const { subject, gained, lost, gainedCount, lostCount, causes, expired, complete } = change;
  const more = gainedCount + lostCount - gained.length - lost.length;
  return {
    text: chalk.bold(nameOf(subject)),
    branches: [
      ...gained.map((scope) => ({ text: chalk.green(`+ ${scope}`) })),
      ...lost.map((scope) => ({ text: chalk.red(`- ${scope}`) })),
      ...(more > 0 ? [{ text: `… and ${more} others` }] : []),
      ...causes.map(({ type, subject: of, actor, at, reason, position }) => ({
        text: `by ${type} of ${nameOf(of)}, ${actor}, ${at}${reason === undefined ? '' : `: ${reason}`}\n${chalk.dim(position)}`,
      })),
      ...(expired === undefined ? [] : [{ text: `it expired ${expired}` }]),
      ...(complete ? [] : [{ text: 'not all causes were looked for' }]),
    ],
  };
}

function nameOf(subject: Subject): string {
  return 'clientId' in subject ? `client ${subject.clientId}` : `role ${subject.roleId}`;
}
