import chalk from 'chalk';
import { Command } from 'commander';
import type { ConcreteExpression } from '../domain/scopeExpression.ts';
import { type Ask, withAsk } from './ask.ts';
import { type AuditorOptions, printAnswer, withAuditorOptions } from './auditorOptions.ts';
import { counted } from './counted.ts';
import { expressionArgument, expressionText } from './expressionArgument.ts';
import type { Tree } from './tree.ts';

type Way = { scope: string; held: string; via: string[] };
type Client = { clientId: string; disabled: boolean; expired: boolean; ways: Way[] };
type Grantor = { clientId: string; disabled: boolean; expired: boolean; rights: string[] };
/** A page of the reply of the method `whoCan`, as far as it is shown. */
export type WhoCan = {
  position: string;
  at?: string;
  expression: ConcreteExpression;
  clients: Client[];
  roles: { roleId: string; ways: Way[] }[];
  grantors?: { clients: Grantor[]; complete: boolean };
  complete: boolean;
  continuationToken?: string;
};

type Options = AuditorOptions & { includeDisabled?: true };

/** `authledger who-can`. */
export function whoCanCommand(): Command {
  const command = new Command('who-can')
    .description('print which clients and roles have a scope, through which roles, and who could give it')
    .argument('<scope>', 'a scope, or a scope expression in JSON', expressionArgument)
    .option('--include-disabled', 'also clients that are disabled or have expired');
  return withAuditorOptions(command).action((expression: ConcreteExpression, options: Options) =>
    withAsk(options, { at: '--at' }, async (ask) => {
      const { at, includeDisabled = false } = options;
      const answer = await askAll(ask, { expression, includeDisabled, ...(at !== undefined && { at }) });
      await printAnswer(answer, options, whoCanTrees);
    }),
  );
}

/** Asks for all pages. */
async function askAll(ask: Ask, question: object): Promise<WhoCan> {
  const body = { ...question, limit: 1000 };
  let { body: page } = await ask<WhoCan>({ method: 'whoCan', body });
  const { continuationToken: _, ...all } = page;
  while (page.continuationToken !== undefined) {
    const { continuationToken } = page;
    ({ body: page } = await ask<WhoCan>({ method: 'whoCan', body: { ...body, continuationToken } }));
    all.clients.push(...page.clients);
    all.roles.push(...page.roles);
    all.complete = page.complete;
  }
  return all;
}

/** Who has a scope, as a terminal shows it. */
export function whoCanTrees({ position, at, expression, clients, roles, grantors }: WhoCan): Tree[] {
  const isAnyones = roles.some(({ roleId }) => roleId === 'anonymous');
  return [
    { text: `who has ${chalk.bold(expressionText(expression))}` },
    { text: chalk.dim(at === undefined ? `as of ${position}` : `as of ${at} (${position})`) },
    ...(isAnyones
      ? [{ text: chalk.bold('everybody: every request has it through the role anonymous') }]
      : []),
    {
      text: counted(clients.length, 'client'),
      branches: clients.map((client) => ({ text: `${nameOf(client)}${waysText(client.ways)}` })),
    },
    {
      text: counted(roles.length, 'role'),
      branches: roles.map((role) => ({ text: role.roleId + waysOfRole(role) })),
    },
    ...(grantors
      ? [
          {
            text: `${grantors.complete ? '' : 'at least '}${counted(grantors.clients.length, 'client')} could give it`,
            branches: grantors.clients.map((each) => ({
              text: `${nameOf(each)}: ${each.rights.join(', ')}`,
            })),
          },
        ]
      : []),
  ];
}

function nameOf({ clientId, disabled, expired }: Omit<Grantor, 'rights'>): string {
  return clientId + (disabled ? chalk.red(' (disabled)') : '') + (expired ? chalk.red(' (expired)') : '');
}

function waysText(ways: readonly Way[]): string {
  return ways
    .map(({ held, via }) => (via.length === 0 ? ` has ${held}` : ` has ${held} → ${via.join(' → ')}`))
    .join(', and');
}

/** A role's way begins with the role itself, unless the star of its id stands for another one. */
function waysOfRole({ roleId, ways }: WhoCan['roles'][number]): string {
  return ways
    .map(({ held, via }) => {
      const others = via[0] === roleId ? via.slice(1) : via;
      if (via.length === 0) return ` has ${held}`;
      return others.length === 0 ? ' itself' : ` → ${others.join(' → ')}`;
    })
    .join(', and');
}
