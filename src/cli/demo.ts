import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import hawk from 'hawk';
import { openStores } from '../compose.ts';
import { type Config, readConfig } from '../config/config.ts';
import { ROLES_STREAM } from '../eventStore/streams.ts';
import { makeLogger } from '../process/logger.ts';
import { FileGone } from '../storage/watchFiles.ts';
import { guardedServices } from '../services/guardedServices.ts';
import { askOverHttp } from './ask.ts';
import { type Difference, differenceTrees } from './diff.ts';
import { type Explained, explanationTrees } from './explain.ts';
import { startServer } from './startServer.ts';
import { type Tree, treeLines } from './tree.ts';
import { untilSignal } from './untilSignal.ts';
import { type WhoCan, whoCanTrees } from './whoCan.ts';

type Credentials = { clientId: string; accessToken: string };

/** Roles of a small company: a parameterized role for project administrators, and roles for teams. */
const ROLES = {
  'project-admin:*': {
    description: 'Whoever administers a project may do this in it; <..> is the project',
    scopes: ['queue:create-task:<..>/*', 'secrets:get:project/<..>/*', 'assume:team:developers'],
  },
  'team:developers': {
    description: 'What every developer may do',
    scopes: ['index:find-task:*', 'assume:team:readers'],
  },
  'team:readers': { description: 'What everybody in the company may do', scopes: ['queue:list-task:*'] },
};
/** The scope that the story is about: it is granted three roles away. */
const ARTIFACTS = 'queue:get-artifact:private/*';

/** `authledger demo`: a tour for newcomers. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('start the service on a temporary directory, show what it does, and leave it running to try')
    .option('--exit', 'stop after the tour')
    .action(async ({ exit = false }: { exit?: boolean }) => {
      const dataDir = mkdtempSync(join(tmpdir(), 'authledger-demo-'));
      const config = readConfig(guardedServices, { DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'warn' });
      await writeEarlierHistory(config);
      const serving = await startServer(config, {
        log: makeLogger({ level: 'warn', destination: process.stderr }),
      });
      try {
        const { clientId, accessToken } = serving.madeRoot!;
        await tour(serving.rootUrl, { clientId, accessToken });
        if (!exit) {
          console.log(nextSteps(serving.rootUrl, { clientId, accessToken }));
          const ending = await Promise.race([untilSignal(), serving.filesGone]);
          if (ending instanceof FileGone) throw ending;
        }
      } finally {
        await serving.stop();
        rmSync(dataDir, { recursive: true, force: true });
      }
    });
}

/** An hour ago, somebody else made the roles: the demo has a past to ask about. */
async function writeEarlierHistory(config: Config): Promise<void> {
  const stores = await openStores(config);
  const events = Object.entries(ROLES).map(([roleId, role]) => ({
    type: 'RoleCreated',
    data: { roleId, ...role },
    id: randomUUID(),
  }));
  const at = new Date(Date.now() - 61 * 60_000).toJSON();
  const metadata = { actor: 'login/alice', at, requestId: randomUUID(), reason: 'the company begins' };
  await stores.eventStore.append([{ stream: ROLES_STREAM, expectedRevision: 'none', events }], metadata);
  await stores.close();
}

async function tour(rootUrl: string, root: Credentials): Promise<void> {
  const asRoot = apiCaller(rootUrl, root);
  const ask = askOverHttp(rootUrl, root);
  const anHourAgo = new Date(Date.now() - 60 * 60_000).toJSON();
  step('The service runs, and made a client for its administrator', root.clientId);
  step('It has three roles, which login/alice made an hour ago', Object.keys(ROLES).join(', '));

  const expires = new Date(Date.now() + 24 * 60 * 60_000).toJSON();
  const settings = { description: 'Builds things', expires, scopes: ['assume:project-admin:rocket'] };
  const builder = (await asRoot('PUT', '/clients/demo%2Fbuilder', settings)) as Credentials & {
    expandedScopes: string[];
  };
  step('A client was created, with one scope: the role project-admin:rocket', builder.clientId);
  step('Its scope expands to', builder.expandedScopes);

  const signed = { method: 'get', resource: '/v1/task/abc', host: 'queue.example.com', port: 443 };
  const uri = `https://${signed.host}${signed.resource}`;
  const authorization = hawk.client.header(uri, 'GET', { credentials: credentialsOf(builder) }).header;
  const verdict = await apiCaller(rootUrl)('POST', '/authenticate-hawk', { ...signed, authorization });
  step('It signed a request to another service, which asked authledger who that was', verdict);

  const {
    body: { position },
  } = await ask<{ position: string }>({
    method: 'explain',
    body: { subject: { scopes: [] }, expression: ARTIFACTS },
  });
  const role = { ...ROLES['team:readers'], scopes: ['queue:list-task:*', ARTIFACTS] };
  await asRoot('POST', '/roles/team%3Areaders', role);
  const subject = { clientId: builder.clientId };
  const question = { subject, expression: ARTIFACTS };
  const { body: explained } = await ask<Explained>({ method: 'explain', body: question });
  show(
    'A role three steps away got a new scope. Why does the client have it, and who gave it',
    explanationTrees('client demo/builder', explained),
  );

  const { body: whoCan } = await ask<WhoCan>({ method: 'whoCan', body: { expression: ARTIFACTS } });
  show('Who else has it', whoCanTrees(whoCan));

  const { body: difference } = await ask<Difference>({ method: 'whatChanged', body: { from: position } });
  show('What did that change do to others', differenceTrees(difference));

  const ofRole = { subject: { roleId: 'project-admin:*' }, expression: ARTIFACTS, at: anHourAgo };
  const { body: former } = await ask<Explained>({ method: 'explain', body: ofRole });
  show('How was it an hour ago', explanationTrees('role project-admin:*', former));

  const disabled = `/clients/${encodeURIComponent(builder.clientId)}/disable`;
  await asRoot('POST', disabled);
  const refused = await apiCaller(rootUrl)('POST', '/authenticate-hawk', { ...signed, authorization });
  step('The client was disabled, and at the very next request', refused);

  const history = (await asRoot('GET', `/audit/client/${encodeURIComponent(builder.clientId)}`)) as {
    auditHistory: object[];
  };
  step('Every change is an event; what happened to the client', history.auditHistory);
}

/** Returns a function that calls the API, and signs if there are credentials. */
function apiCaller(rootUrl: string, credentials?: Credentials) {
  return async function call(method: string, path: string, body?: object): Promise<object> {
    const url = `${rootUrl}/api/auth/v1${path}`;
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (credentials) {
      headers['authorization'] = hawk.client.header(url, method, {
        credentials: credentialsOf(credentials),
      }).header;
    }
    const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
    const reply = (await response.json()) as { message?: string };
    if (!response.ok)
      throw new Error(`${method} ${path} was answered with ${response.status}: ${reply.message}`);
    return reply;
  };
}

function credentialsOf({ clientId, accessToken }: Credentials) {
  return { id: clientId, key: accessToken, algorithm: 'sha256' } as const;
}

let steps = 0;
function step(what: string, shown: unknown): void {
  const text = typeof shown === 'string' ? shown : JSON.stringify(shown, undefined, 2);
  console.log(`\n${(steps += 1)}. ${what}:\n${text.replaceAll(/^/gm, '   ')}`);
}

function show(what: string, trees: readonly Tree[]): void {
  step(what, treeLines(trees, COLUMNS).join('\n'));
}

/** Columns of trees, which are indented by three. */
const COLUMNS = 97;

function nextSteps(rootUrl: string, { clientId, accessToken }: Credentials): string {
  return `
It keeps running at ${rootUrl} until you press Ctrl-C; everything is thrown away then. Things to try:

  curl ${rootUrl}/v1/roles/                  (the older dialect lets everybody read)
  curl ${rootUrl}/api/auth/v1/scopes/current (an unsigned request has no scopes)
  open ${rootUrl}/openapi.json               (every method)

With a Taskcluster client (npm install taskcluster-client), or with the command line in this checkout:

  export TASKCLUSTER_ROOT_URL=${rootUrl}
  export TASKCLUSTER_CLIENT_ID=${clientId}
  export TASKCLUSTER_ACCESS_TOKEN=${accessToken}
  node --input-type=module -e "import taskcluster from 'taskcluster-client';
    const auth = new taskcluster.Auth(taskcluster.fromEnvVars());
    console.log(await auth.getEntityHistory('client', 'demo/builder'))"
  npm run -s authledger -- explain demo/builder '${ARTIFACTS}' --root-url ${rootUrl}
`;
}
