import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { runCommand } from '../runCommand.ts';
import { STATIC_CLIENTS } from '../startService.ts';

const folder = mkdtempSync(join(tmpdir(), 'authledger-import-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let env: Record<string, string>;
let count = 0;
beforeEach(() => {
  env = { DATA_DIR: join(folder, `data-${(count += 1)}`), STATIC_CLIENTS, LOG_LEVEL: 'warn' };
});
const run = (...args: string[]) => runCommand(args, env);
function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const client = { clientId: 'c', description: 'd', scopes: ['a'], expires: '2030-01-01T00:00:00.000Z' };
const role = { roleId: 'r', description: 'd', scopes: ['a'] };

describe('authledger import', () => {
  test('takes the replies of today, with a byte-order mark or without, in any time zone', async () => {
    env = { ...env, TZ: 'Asia/Tokyo' };
    const dated = { ...client, created: '2020-01-01T00:00:00Z', expires: '9999-12-31T23:59:59Z' };
    const clients = file('clients.json', { clients: [dated] });
    const roles = file('roles.json', `\ufeff${JSON.stringify({ roles: [role] })}`);
    const { stdout, code } = await run('import', clients, roles);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^roles: 1 created.*\nclients: 1 created/);
    expect(JSON.parse((await run('export', 'clients')).stdout)).toMatchObject([
      { clientId: 'c', created: '2020-01-01T00:00:00.000Z', expires: '9999-12-31T23:59:59.000Z' },
    ]);
  });

  test('refuses on a dry run what it refuses on a run, and imports nothing then', async () => {
    env = { ...env, TZ: 'Asia/Tokyo' };
    const bad = file('bad.json', [
      client,
      { ...client, clientId: 'zone', created: '2020-01-01T00:00:00' },
      { ...client, clientId: 'words', lastModified: 'Jan 5 2021' },
      { ...client, clientId: 'year', lastRotated: '2020' },
      { ...client, clientId: 'edge', expires: '9999-12-31T23:59:59-01:00' },
      { ...role, created: '0000-01-01T00:00:00+01:00' },
      { ...role, roleId: 'cut', description: 'cut \ud83d' },
      { ...client, clientId: 'large', scopes: Array.from({ length: 200_000 }, (_, i) => `${i}`) },
    ]);
    const page = file('page.json', { clients: [client], continuationToken: 'next' });
    const [dry, wet] = [await run('import', '--dry-run', bad, page), await run('import', bad, page)];
    for (const { stdout, stderr, code } of [dry, wet]) {
      expect({ stdout, code }).toEqual({ stdout: '', code: 1 });
      for (const [index, message] of [
        [1, 'created must be a date that exists, with time and zone'],
        [2, 'lastModified must be a date'],
        [3, 'lastRotated must be a date'],
        [4, '.*body\\.expires must be a date'],
        [5, 'created must be a date'],
        [6, 'body\\.description must be well-formed Unicode'],
        [7, 'an event of type ClientCreated would be'],
      ] as const)
        expect(stderr).toMatch(new RegExp(`bad\\.json\\[${index}\\]: ${message}`));
      expect(stderr).toMatch(/page\.json: holds a continuationToken, so it is one page of several/);
      expect(stderr).not.toMatch(/\n +at /);
    }
    expect(dry.stderr).toBe(wet.stderr);
    for (const what of ['clients', 'roles']) expect((await run('export', what)).stdout).toBe('[]\n');
  });
});
