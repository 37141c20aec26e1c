import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pageExample } from '../pageExample.ts';
import { type Finished, runCommand } from '../runCommand.ts';
import { sharedFile, testWithShared } from '../sharedData.ts';
import { minutesFromNow, startService, STATIC_CLIENTS, type TestService } from '../startService.ts';
import { mayListenAtPort80, startProxyAtPort80 } from './atPort80.ts';
import { runPython } from './pythonClient.ts';
import { whereServersRun } from './whereServersRun.ts';

const CONFIGURATION = join(import.meta.dirname, 'python/tc-admin.py');
const FILE = 'data/taskcluster-roles.json';
/** What tc-admin puts before each description. */
const PREFIX = '*DO NOT EDIT* - This resource is configured automatically.\n\n';

type Role = { roleId: string; description: string; scopes: string[] };

if (mayListenAtPort80() || process.env['NO_TEST_SKIP'] === '1')
  whereServersRun(['python-clients'], 'tc-admin', tests);
else describe.skip('tc-admin (skipped: it needs port 80, and only root may listen there)', tests);

function tests(): void {
  const folder = mkdtempSync(join(tmpdir(), 'authledger-tc-admin-'));
  let service: TestService;
  let proxy: Awaited<ReturnType<typeof startProxyAtPort80>>;
  beforeEach(async () => {
    service = await startService();
    proxy = await startProxyAtPort80(service.port);
  });
  afterEach(async () => {
    await proxy?.close();
    await service?.remove();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs it on the roles of a file, with the credentials of `static/root` or without any. */
  function tcAdmin(args: string[], file: string, isSigned = true): Promise<Finished> {
    const { clientId, accessToken } = service.root;
    return runPython(['-m', 'tcadmin.boot', '--tc-admin-py', CONFIGURATION, ...args], {
      ROLES: file,
      TASKCLUSTER_ROOT_URL: proxy.rootUrl,
      ...(isSigned && { TASKCLUSTER_CLIENT_ID: clientId, TASKCLUSTER_ACCESS_TOKEN: accessToken }),
    });
  }
  const importFile = (file: string): Promise<Finished> =>
    runCommand(['import', file], { DATA_DIR: service.dataDir, STATIC_CLIENTS });
  const noDifference = { stdout: '\n', stderr: '', code: 0 };
  /** What `diff --ids-only` prints of these, in the order of the lines. */
  const differences = (lines: string[]): object => ({ lines: lines.sort(), stderr: '', code: 2 });
  const byLine = ({ stdout, ...others }: Finished): object => ({
    lines: stdout.trimEnd().split('\n').sort(),
    ...others,
  });
  const inOrder = (roles: Role[]): Role[] =>
    roles
      .map(({ roleId, description, scopes }) => ({ roleId, description, scopes: scopes.toSorted() }))
      .sort((a, b) => (a.roleId < b.roleId ? -1 : 1));

  /** The real roles, and how tc-admin wants them. */
  function realRoles(): { file: string; roles: Role[]; wanted: Role[] } {
    const file = fileURLToPath(sharedFile(FILE));
    const roles = JSON.parse(readFileSync(file, 'utf8')) as Role[];
    const described = roles.map((role) => ({ ...role, description: `${PREFIX}${role.description}` }));
    return { file, roles, wanted: inOrder(described) };
  }

  testWithShared(FILE, 'takes over the roles of a real deployment', async () => {
    const { file, roles, wanted } = realRoles();
    await importFile(file);
    const changed = roles.map(({ roleId }) => `! Role=${roleId} (changed: description)`);
    const found = differences(['+ Client=managed/ci', ...changed]);
    expect(byLine(await tcAdmin(['diff', '--ids-only'], file))).toEqual(found);
    expect(await tcAdmin(['apply'], file)).toMatchObject({ stderr: '', code: 0 });
    expect(await tcAdmin(['diff'], file)).toEqual(noDifference);
    expect(inOrder(await service.current()['listRoles']!())).toEqual(wanted);
  });

  testWithShared(FILE, 'shows what is changed behind its back, and repairs it', async () => {
    const { wanted } = realRoles();
    const file = join(folder, 'wanted.json');
    writeFileSync(file, JSON.stringify(wanted));
    const diff = (...args: string[]): Promise<Finished> => tcAdmin(['diff', ...args], file);
    const apply = (): Promise<Finished> => tcAdmin(['apply'], file);
    await importFile(file);
    expect(await apply()).toEqual({ stdout: 'Creating Client=managed/ci\n', stderr: '', code: 0 });
    expect(await diff()).toEqual(noDifference);

    const auth = service.current();
    // Those that grant no role are on no cycle, and can be made anew.
    const grantsNone = ({ scopes }: Role): boolean => !scopes.some((scope) => /^assume:|\*$/.test(scope));
    const lost = wanted.filter(grantsNone).slice(0, 50);
    expect(lost).toHaveLength(50);
    for (const { roleId } of lost) await auth['deleteRole']!(roleId);
    const [widened, described] = wanted.filter((role) => !lost.includes(role)) as [Role, Role];
    const { roleId, description, scopes } = widened;
    await auth['updateRole']!(roleId, { description, scopes: [...scopes, 'held:more'] });
    await auth['updateRole']!(described.roleId, { description: 'drifted', scopes: described.scopes });
    await auth['createRole']!('not-wanted', { description: '', scopes: ['held:more'] });
    const settings = { description: '', expires: minutesFromNow(60), scopes: [] };
    await auth['updateClient']!('managed/ci', settings);
    await auth['createClient']!('managed/not-wanted', settings);
    await auth['createClient']!('not-managed', settings);

    expect(byLine(await diff('--ids-only'))).toEqual(
      differences([
        '! Client=managed/ci (changed: description, scopes)',
        '- Client=managed/not-wanted',
        '- Role=not-wanted',
        `! Role=${roleId} (changed: scopes)`,
        `! Role=${described.roleId} (changed: description)`,
        ...lost.map((role) => `+ Role=${role.roleId}`),
      ]),
    );
    expect((await diff()).stdout).toContain('-      - held:more\n');
    expect(await apply()).toMatchObject({ stderr: '', code: 0 });
    expect(await diff()).toEqual(noDifference);

    expect(inOrder(await auth['listRoles']!())).toEqual(wanted);
    const { clients } = (await auth['listClients']!()) as { clients: { clientId: string }[] };
    expect(clients.map(({ clientId }) => clientId)).toEqual(['managed/ci', 'not-managed', 'static/root']);
    expect(clients[0]).toMatchObject({
      description: `${PREFIX}builds`,
      scopes: ['assume:repo:github.com/example/*', 'held:*'],
      expires: '3000-01-01T00:00:00.000Z',
      disabled: false,
    });
  });

  test('shows differences without credentials where the role anonymous lets everybody read', async () => {
    const file = join(folder, 'anonymous.json');
    writeFileSync(file, pageExample('docs/migrating-from-taskcluster.md', 'json', 'anonymous'));
    const diff = (): Promise<Finished> => tcAdmin(['diff', '--ids-only'], file, false);
    expect(await diff()).toMatchObject({ code: 1, stderr: expect.stringContaining('InsufficientScopes') });
    await importFile(file);
    const found = ['+ Client=managed/ci', '! Role=anonymous (changed: description)'];
    expect(byLine(await diff())).toEqual(differences(found));
  });
}
