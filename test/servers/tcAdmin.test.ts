import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { type Finished, runCommand } from '../runCommand.ts';
import { sharedFile, testWithShared } from '../sharedData.ts';
import { minutesFromNow, startService, STATIC_CLIENTS, type TestService } from '../startService.ts';
import { atPort80, mayListenAtPort80 } from './atPort80.ts';
import { whereServersRun } from './whereServersRun.ts';

const SCRIPT = join(import.meta.dirname, '../../scripts/python-clients');
const CONFIGURATION = join(import.meta.dirname, 'python/tc-admin.py');
const FILE = 'data/taskcluster-roles.json';
/** What tc-admin puts before each description. */
const PREFIX = '*DO NOT EDIT* - This resource is configured automatically.\n\n';

type Role = { roleId: string; description: string; scopes: string[] };

if (mayListenAtPort80() || process.env['NO_TEST_SKIP'] === '1')
  whereServersRun(['python-clients'], 'tc-admin', tests);
else describe.skip('tc-admin (skipped: it needs port 80, and only root may listen there)', tests);

function tests(): void {
  let service: TestService;
  let proxy: Awaited<ReturnType<typeof atPort80>>;
  beforeAll(async () => {
    service = await startService();
    proxy = await atPort80(service.port);
  });
  afterAll(async () => {
    proxy?.close();
    await service?.remove();
  });

  async function tcAdmin(...args: string[]): Promise<Finished> {
    const { PATH, HOME, AUTHLEDGER_SERVERS } = process.env;
    const env = {
      ...{ PATH, HOME, AUTHLEDGER_SERVERS },
      ROLES: fileURLToPath(sharedFile(FILE)),
      TASKCLUSTER_ROOT_URL: proxy.rootUrl,
      TASKCLUSTER_CLIENT_ID: service.root.clientId,
      TASKCLUSTER_ACCESS_TOKEN: service.root.accessToken,
    };
    const all = ['current', '-m', 'tcadmin.boot', '--tc-admin-py', CONFIGURATION, ...args];
    const child = spawn(SCRIPT, all, { env });
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ]);
    return { stdout, stderr, code: code as number | null };
  }
  const noDifference = { stdout: '\n', stderr: '', code: 0 };
  async function difference(): Promise<string[]> {
    const { stdout, stderr, code } = await tcAdmin('diff', '--ids-only');
    expect({ stderr, code }).toEqual({ stderr: '', code: 2 });
    return stdout.trim().split('\n');
  }
  const inOrder = (roles: Role[]): Role[] =>
    roles
      .map(({ roleId, description, scopes }) => ({ roleId, description, scopes: scopes.toSorted() }))
      .sort((a, b) => (a.roleId < b.roleId ? -1 : 1));

  testWithShared(
    FILE,
    'takes over the roles of a real deployment, and repairs what is changed behind its back',
    async () => {
      const roles = JSON.parse(readFileSync(sharedFile(FILE), 'utf8')) as Role[];
      const wanted = inOrder(roles).map((role) => ({ ...role, description: `${PREFIX}${role.description}` }));
      await runCommand(['import', fileURLToPath(sharedFile(FILE))], {
        DATA_DIR: service.dataDir,
        STATIC_CLIENTS,
      });
      const asFound = roles.map(({ roleId }) => `! Role=${roleId} (changed: description)`);
      expect((await difference()).sort()).toEqual(['+ Client=managed/ci', ...asFound].sort());
      expect(await tcAdmin('apply')).toMatchObject({ stderr: '', code: 0 });
      expect(await tcAdmin('diff')).toEqual(noDifference);

      const auth = service.current();
      expect(inOrder(await auth['listRoles']!())).toEqual(wanted);
      const lost = roles.filter(
        ({ scopes }) => !scopes.some((scope) => /^assume:|^a?s?s?u?m?e?\*$/.test(scope)),
      );
      expect(lost.length).toBeGreaterThan(100);
      for (const { roleId } of lost) await auth['deleteRole']!(roleId);
      const [changed, described] = wanted.filter(
        ({ roleId }) => !lost.some((role) => role.roleId === roleId),
      );
      await auth['updateRole']!(changed!.roleId, { ...changed, scopes: [...changed!.scopes, 'held:more'] });
      await auth['updateRole']!(described!.roleId, { ...described, description: 'drifted' });
      await auth['createRole']!('not-wanted', { description: '', scopes: ['held:more'] });
      const settings = { description: '', expires: minutesFromNow(60), scopes: [] };
      await auth['updateClient']!('managed/ci', settings);
      await auth['createClient']!('managed/not-wanted', settings);
      await auth['createClient']!('not-managed', settings);

      expect((await difference()).sort()).toEqual(
        [
          '! Client=managed/ci (changed: description, scopes)',
          '- Client=managed/not-wanted',
          '- Role=not-wanted',
          `! Role=${changed!.roleId} (changed: scopes)`,
          `! Role=${described!.roleId} (changed: description)`,
          ...lost.map(({ roleId }) => `+ Role=${roleId}`),
        ].sort(),
      );
      expect((await tcAdmin('diff')).stdout).toContain('-      - held:more\n');
      expect(await tcAdmin('apply')).toMatchObject({ stderr: '', code: 0 });
      expect(await tcAdmin('diff')).toEqual(noDifference);

      expect(inOrder(await auth['listRoles']!())).toEqual(wanted);
      const { clients } = await auth['listClients']!();
      expect(clients.map(({ clientId }: { clientId: string }) => clientId)).toEqual([
        'managed/ci',
        'not-managed',
        'static/root',
      ]);
      expect(clients[0]).toMatchObject({
        description: `${PREFIX}builds`,
        scopes: ['assume:repo:github.com/example/*', 'held:*'],
        expires: '3000-01-01T00:00:00.000Z',
        disabled: false,
      });
    },
  );
}
