import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, expect, test } from '@jest/globals';
import { end, startServer } from '../runCommand.ts';
import { type Reply, signedFetch } from '../signed.ts';
import { minutesFromNow, ROOT, startService, STATIC_CLIENTS } from '../startService.ts';

const repository = new URL('../..', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'authledger-backup-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Runs `VACUUM INTO` in a process of its own, as the `sqlite3` command does, so that the service can write at the same
 * time.
 */
async function vacuumInto(file: string, copy: string): Promise<void> {
  const script = `new (require('better-sqlite3'))(process.argv[1]).prepare('VACUUM INTO ?').run(process.argv[2])`;
  await promisify(execFile)(process.execPath, ['-e', script, file, copy], { cwd: repository });
}

test('copies of the secrets and then of the log, made while the service writes, start and answer elsewhere', async () => {
  const dataDir = join(folder, 'data');
  const { child, rootUrl } = await startServer({ DATA_DIR: dataDir, STATIC_CLIENTS });
  const put = async (path: string, body: object): Promise<Reply['body']> => {
    const reply = await signedFetch(`${rootUrl}/api/auth/v1${path}`, ROOT, { method: 'PUT', body });
    expect(reply.status).toBe(200);
    return reply.body;
  };
  const settings = { description: '', expires: minutesFromNow(60), scopes: ['auth:current-scopes'] };
  const kept = await put('/clients/kept', settings);

  const asked: string[] = [];
  let acknowledged = 0;
  let isOver = false;
  const writing = (async () => {
    while (!isOver) {
      const roleId = `role:${String(asked.length).padStart(6, '0')}`;
      asked.push(roleId);
      await put(`/roles/${roleId}`, { description: '', scopes: [] });
      acknowledged += 1;
    }
  })();
  const untilWritten = async (count: number): Promise<void> => {
    while (acknowledged < count) await sleep(5);
  };
  await untilWritten(20);
  const certain = acknowledged;
  const restored = mkdtempSync(join(folder, 'restored-'));
  copyFileSync(join(dataDir, 'secret-keys.json'), join(restored, 'secret-keys.json'));
  await vacuumInto(join(dataDir, 'secrets.sqlite'), join(restored, 'secrets.sqlite'));
  const between = await put('/clients/between', settings);
  await vacuumInto(join(dataDir, 'log.sqlite'), join(restored, 'log.sqlite'));
  await untilWritten(acknowledged + 20);
  isOver = true;
  await writing;
  await end(child);

  const service = await startService({}, restored);
  const { roleIds } = (await service.current()['listRoleIds']!()) as { roleIds: string[] };
  expect(roleIds.length).toBeGreaterThanOrEqual(certain);
  expect(roleIds.length).toBeLessThan(asked.length);
  expect(roleIds).toEqual(asked.slice(0, roleIds.length));
  const scopesOf = (clientId: string, accessToken: string): Promise<unknown> =>
    service.current({ clientId, accessToken })['currentScopes']!();
  const scopes = { scopes: ['assume:anonymous', 'auth:current-scopes'] };
  expect(await scopesOf('kept', kept['accessToken']!)).toEqual(scopes);
  await expect(scopesOf('between', between['accessToken']!)).rejects.toMatchObject({ statusCode: 500 });
  const { accessToken } = await service.current()['resetAccessToken']!('between');
  expect(await scopesOf('between', accessToken)).toEqual(scopes);
  await service.current()['createRole']!('role:after', { description: '', scopes: [] });
  await service.remove();
});
