import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { pageExample } from './pageExample.ts';
import { runCommand } from './runCommand.ts';
import { startService, STATIC_CLIENTS, type TestService } from './startService.ts';

const modules = new URL('../node_modules', import.meta.url);

describe('the examples of the pages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'authledger-readme-'));
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(async () => {
    await service.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test('the first one of the README in JavaScript makes a role and a client, with what the start prints in the environment', async () => {
    symlinkSync(modules, join(folder, 'node_modules'));
    writeFileSync(join(folder, 'first.mjs'), pageExample('README.md', 'js', 'taskcluster-client'));
    const { clientId, accessToken } = service.root;
    const env = {
      PATH: process.env['PATH'],
      TASKCLUSTER_ROOT_URL: service.rootUrl,
      TASKCLUSTER_CLIENT_ID: clientId,
      TASKCLUSTER_ACCESS_TOKEN: accessToken,
    };
    const { stdout } = await promisify(execFile)(process.execPath, ['first.mjs'], { cwd: folder, env });
    const [, token, expandedScopes] = /^(\S{44}) (.*)$/s.exec(stdout)!;
    expect(expandedScopes).toBe("[ 'assume:team:developers', 'queue:list-task:*' ]\n");
    const asIt = service.older({ clientId: 'ci/linux', accessToken: token! });
    const scopes = ['assume:anonymous', 'assume:team:developers', 'queue:list-task:*'];
    expect(await asIt['currentScopes']!()).toEqual({ scopes });
  });

  test('the role anonymous lets everybody read', async () => {
    const anybody = service.current(null);
    const reads = [
      () => anybody['listClients']!(),
      () => anybody['client']!('static/root'),
      () => anybody['listRoles']!(),
      () => anybody['listRoles2']!(),
      () => anybody['listRoleIds']!(),
      () => anybody['role']!('anonymous'),
      () => anybody['expandScopes']!({ scopes: ['a'] }),
      () => anybody['currentScopes']!(),
    ];
    for (const read of reads) await expect(read()).rejects.toMatchObject({ code: 'InsufficientScopes' });
    const file = join(folder, 'anonymous.json');
    writeFileSync(file, pageExample('docs/migrating-from-taskcluster.md', 'json', 'anonymous'));
    const imported = await runCommand(['import', file], { DATA_DIR: service.dataDir, STATIC_CLIENTS });
    expect(imported).toMatchObject({ code: 0, stdout: expect.stringMatching(/^roles: 1 created/) });
    for (const read of reads) expect(await read()).toBeDefined();
  });
});
