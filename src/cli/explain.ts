import chalk from 'chalk';
import { Command } from 'commander';
import { invalid } from '../config/configError.ts';
import type { ConcreteExpression } from '../domain/scopeExpression.ts';
import { withAsk } from './ask.ts';
import { type AuditorOptions, printAnswer, withAuditorOptions } from './auditorOptions.ts';
import { expressionArgument, expressionText } from './expressionArgument.ts';
import { idArgument } from './idArgument.ts';
import { printable } from './printable.ts';
import type { Tree } from './tree.ts';

type Source = {
  position: string;
  at: string;
  actor: string;
  issuer?: string;
  requestId: string;
  reason?: string;
};
type Step = {
  via: 'client' | 'role' | 'scopes';
  id?: string;
  match?: 'exact' | 'role-star' | 'held-star';
  parameter?: string;
  grant: string;
  scope: string;
  returnsTo?: string[];
  source?: Source;
};
type ExplainedScope = {
  scope: string;
  note?: string;
  satisfied: boolean;
  paths: { steps: Step[] }[];
  pathCount: number;
  complete: boolean;
  nearest?: string[];
};
type Block = { by: 'disabled' | 'expired'; expires?: string };
/** The reply of the method `explain`, as far as it is shown. */
export type Explained = {
  position: string;
  at: string;
  subject: { clientId: string } | { roleId: string } | { scopes: string[] };
  expression: ConcreteExpression;
  satisfied: boolean;
  scopes: ExplainedScope[];
  missing: string[];
  everyoneHas: string[];
  grantable: {
    roles: { roleId: string; scope: string; via: string[]; gives: string[] }[];
    changes: { to: { clientId: string } | { roleId: string }; add: string[] }[];
  };
  blockedBy: Block[];
};

type Options = AuditorOptions & { role?: true; limit: number };

/** Paths that are shown by default, and at most. */
const DEFAULT_PATHS = 10;
const MAX_PATHS = 100;

function pathCount(text: string): number {
  const count = Number(text);
  return Number.isInteger(count) && count >= 1 && count <= MAX_PATHS
    ? count
    : invalid(`--limit must be a whole number from 1 to ${MAX_PATHS}`);
}

/** `authledger explain`. */
export function explainCommand(): Command {
  const command = new Command('explain')
    .description(
      'print why a client has a scope: by which paths, and who added each grant, when; or why not, and what would help',
    )
    .argument('<client>', 'the clientId; with --role, a roleId')
    .argument('<scope>', 'a scope, or a scope expression in JSON', expressionArgument)
    .option('--role', 'explain it for a role')
    .option('--limit <n>', 'paths to show', pathCount, DEFAULT_PATHS);
  return withAuditorOptions(command).action((id: string, expression: ConcreteExpression, options: Options) =>
    withAsk(options, { at: '--at' }, async (ask) => {
      const { role, at, limit } = options;
      const kind = role ? 'role' : 'client';
      const subject = { [`${kind}Id`]: idArgument(kind, kind.toUpperCase(), id) };
      const body = { subject, expression, limit, ...(at !== undefined && { at }) };
      const { body: answer } = await ask<Explained>({ method: 'explain', body });
      await printAnswer(answer, options, (shown) => explanationTrees(`${kind} ${printable(id)}`, shown));
    }),
  );
}

/** An explanation as a terminal shows it. */
export function explanationTrees(subject: string, answer: Explained): Tree[] {
  const { scopes, position, at, blockedBy } = answer;
  const hasAll = hasWithAnonymous(answer);
  const verdict = hasAll && blockedBy.length === 0 ? chalk.green.bold('yes') : chalk.red.bold('no');
  return [
    { text: `${verdict}: ${subject} ${verdictText(answer, hasAll)}` },
    { text: chalk.dim(`as of ${at} (${position})`) },
    ...blockedBy.map((block) => ({ text: chalk.red(blockText(block)) })),
    ...scopes.map((scope) => scopeTree(scope, answer)),
    ...(hasAll ? [] : helpTrees(answer)),
  ];
}

/** Whether the subject has what is asked for, together with what every request has. */
function hasWithAnonymous({ expression, scopes, everyoneHas }: Explained): boolean {
  const had = new Set([...everyoneHas, ...scopes.filter((each) => each.satisfied).map(({ scope }) => scope)]);
  const isHad = (part: ConcreteExpression): boolean => {
    if (typeof part === 'string') return had.has(part);
    return 'AllOf' in part ? part.AllOf.every(isHad) : part.AnyOf.some(isHad);
  };
  return isHad(expression);
}

function verdictText({ expression, missing, blockedBy }: Explained, hasAll: boolean): string {
  if (!hasAll) return `lacks ${expressionText(expression)}`;
  const ofAnyone = missing.length === 0 ? '' : ', with what every request has through the role anonymous';
  const blocks = blockedBy.map(({ by }) => BLOCKS[by]);
  const but = blocks.length === 0 ? '' : `, but ${blocks.join(' and ')}`;
  return `has ${expressionText(expression)}${ofAnyone}${but}`;
}

/** What blocks a client; the command asks about no certificate and no `authorizedScopes`. */
const BLOCKS: Readonly<Record<Block['by'], string>> = { disabled: 'is disabled', expired: 'has expired' };

function blockText({ by, expires }: Block): string {
  return by === 'expired' ? `blocked: the client expired ${expires}` : 'blocked: the client is disabled';
}

function scopeTree(explained: ExplainedScope, { subject, everyoneHas }: Explained): Tree {
  const { scope, note, paths, nearest = [] } = explained;
  const isAnyones = everyoneHas.includes(scope);
  return {
    text: `${chalk.bold(scope)} ${isAnyones ? 'is had by every request, through the role anonymous' : countText(explained)}`,
    branches: [
      ...(note === undefined ? [] : [{ text: note }]),
      ...paths.map(({ steps }, i) => ({
        text: `path ${i + 1}`,
        branches: steps.map((step) => stepTree(step, subject)),
      })),
      ...(isAnyones || nearest.length === 0 ? [] : [{ text: `nearest: ${nearest.join(', ')}` }]),
    ],
  };
}

function countText({ paths, pathCount, complete }: ExplainedScope): string {
  if (pathCount === 0) return 'is missing';
  const count = pathCount === 1 ? 'one path' : `${complete ? '' : 'at least '}${pathCount} paths`;
  return `by ${count}${paths.length < pathCount ? `, the ${paths.length} shortest:` : ''}`;
}

const MATCHES = {
  exact: '',
  'role-star': ' (by the star in its id)',
  'held-star': ' (by the star of that scope)',
} as const;

function stepTree(
  { via, id, match = 'exact', parameter, grant, scope, returnsTo, source }: Step,
  subject: Explained['subject'],
): Tree {
  const given = 'roleId' in subject ? `whoever has the role ${subject.roleId}` : 'the given scopes';
  const holder = via === 'scopes' ? given : `${via} ${id}`;
  const how = via === 'role' ? MATCHES[match] : '';
  const what =
    parameter === undefined || grant === scope ? grant : `${grant}, with <..> as ${parameter}: ${scope}`;
  const cycle = returnsTo ? ` (and ${returnsTo.join(', ')} again: a cycle)` : '';
  const text = `${holder}${how} has ${chalk.cyan(what)}${cycle}`;
  return { text: source ? `${text}\n${chalk.dim(sourceText(source))}` : text };
}

function sourceText({ at, actor, issuer, requestId, reason, position }: Source): string {
  const by = issuer === undefined ? actor : `${actor} (credentials by ${issuer})`;
  const why = reason === undefined ? '' : `: ${reason}`;
  return `added ${at} by ${by}${why}\nrequest ${requestId}, position ${position}`;
}

function helpTrees({ missing: lacking, everyoneHas, grantable }: Explained): Tree[] {
  const isHelp = (scope: string): boolean => !everyoneHas.includes(scope);
  const missing = lacking.filter(isHelp);
  if (missing.length === 0) return [];
  const changes = grantable.changes.map(({ to, add }) => ({ to, add: add.filter(isHelp) }));
  const roles = grantable.roles
    .map(({ scope, gives }) => ({ scope, gives: gives.filter(isHelp) }))
    .filter(({ gives }) => gives.length > 0);
  return [
    { text: chalk.bold('missing'), branches: missing.map((text) => ({ text })) },
    ...(changes.length === 0
      ? []
      : [
          {
            text: chalk.bold('each of these changes would be enough'),
            branches: changes.map(({ to, add }) => ({
              text: `${'clientId' in to ? `client ${to.clientId}` : `role ${to.roleId}`}: add ${add.join(', ')}`,
            })),
          },
        ]),
    ...(roles.length === 0
      ? []
      : [
          {
            text: chalk.bold('roles that have it'),
            branches: roles.map(({ scope, gives }) => ({ text: `${scope} gives ${gives.join(', ')}` })),
          },
        ]),
  ];
}
