import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { end, runCommand, startServer } from '../runCommand.ts';
import { signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, STATIC_CLIENTS } from '../startService.ts';

let dataDir: string;
let file: string;
let env: Record<string, string>;
let running: Awaited<ReturnType<typeof startServer>> | undefined;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'authledger-root-'));
  file = join(dataDir, 'root-credentials.json');
  env = { DATA_DIR: dataDir, READ_ACCESS: 'guarded' };
});
afterEach(async () => {
  await stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function start(more: Record<string, string> = {}): Promise<void> {
  running = await startServer({ ...env, ...more });
}
async function stop(): Promise<void> {
  if (running) await end(running.child);
  running = undefined;
}
const root = (...args: string[]) => runCommand(['root', ...args], env);
const inFile = (): Credentials => JSON.parse(readFileSync(file, 'utf8')) as Credentials;
const at = (path: string): string => `${running!.rootUrl}/api/auth/v1${path}`;
const statusOf = async (credentials: Credentials): Promise<number> =>
  (await signedFetch(at('/scopes/current'), credentials)).status;

async function createClient(clientId: string, settings: object): Promise<Credentials> {
  const body = { description: '', expires: minutesFromNow(60), ...settings };
  const options = { method: 'PUT', body };
  const reply = await signedFetch(at(`/clients/${encodeURIComponent(clientId)}`), inFile(), options);
  return { clientId, accessToken: reply.body['accessToken']! };
}

async function history(): Promise<string[]> {
  const { stdout } = await runCommand(['history', '--client', 'static/taskcluster/root', '--json'], env);
  const events = stdout.trim().split('\n').filter(Boolean);
  return events.map((line) => {
    const { type, metadata } = JSON.parse(line) as { type: string; metadata: { actor: string } };
    return `${type} by ${metadata.actor}`;
  });
}

describe('root rotate', () => {
  test('gives a running service another token, which is in the file only', async () => {
    await start();
    const former = inFile();
    expect(await statusOf(former)).toBe(200);
    const { stdout, stderr, code } = await root('rotate');
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    expect(stdout).toContain(`It is kept in ${file}`);
    const next = inFile();
    expect(next.clientId).toBe(former.clientId);
    expect(next.accessToken).toMatch(/^[A-Za-z0-9_-]{44}$/);
    expect(next.accessToken).not.toBe(former.accessToken);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const secret of [former, next]) expect(stdout).not.toContain(secret.accessToken);
    expect([await statusOf(former), await statusOf(next)]).toEqual([401, 200]);
    expect(await history()).toEqual([
      'ClientCreated by static/authledger/static-clients',
      'AccessTokenReset by static/authledger/cli',
    ]);
    await stop();
    await start();
    expect([await statusOf(former), await statusOf(next)]).toEqual([401, 200]);
  });

  test('makes the file anew where it was moved away', async () => {
    await start();
    rmSync(file);
    expect(await root('rotate')).toMatchObject({ code: 0 });
    expect(await statusOf(inFile())).toBe(200);
  });

  test('is refused where there is no such client', async () => {
    const { stderr, code } = await root('rotate');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^authledger: there is no client static\/taskcluster\/root in/);
    expect(existsSync(file)).toBe(false);
  });
});

describe('root retire', () => {
  test('is refused where nobody else who is enabled holds all scopes', async () => {
    await start();
    await createClient('some', { scopes: ['a*'] });
    await createClient('over', { scopes: ['*'], expires: minutesFromNow(-1) });
    await createClient('disabled', { scopes: ['*'] });
    await signedFetch(at('/clients/disabled/disable'), inFile(), { method: 'POST' });
    const { stderr, code } = await root('retire');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^authledger: no other client that is enabled and not expired holds the scope `\*`/,
    );
    expect(await statusOf(inFile())).toBe(200);
  });

  test('removes it for good, with its file, and no start makes it again', async () => {
    await start();
    const former = inFile();
    const other = await createClient('other', { scopes: ['*'] });
    expect(await root('retire')).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(file)).toBe(false);
    expect([await statusOf(former), await statusOf(other)]).toEqual([401, 200]);
    for (const workers of ['1', '2']) {
      await stop();
      await start({ WORKERS: workers });
      expect(running!.output()).toContain('static/taskcluster/root was retired');
      expect(existsSync(file)).toBe(false);
      expect([await statusOf(former), await statusOf(other)]).toEqual([401, 200]);
    }
    expect((await history()).at(-1)).toBe('ClientDeleted by static/authledger/cli');
    for (const again of ['rotate', 'retire'])
      expect(await root(again)).toMatchObject({ code: 1, stderr: expect.stringContaining('was retired') });
  });

  test('holds after STATIC_CLIENTS came and went, where a client that these deleted is made again', async () => {
    await start();
    await createClient('other', { scopes: ['*'] });
    await stop();
    await start({ STATIC_CLIENTS });
    await stop();
    await start();
    expect(await statusOf(inFile())).toBe(200);
    expect(await root('retire')).toMatchObject({ code: 0 });
    await stop();
    await start({ STATIC_CLIENTS });
    await stop();
    await start();
    expect(existsSync(file)).toBe(false);
  });
});

test.each(['rotate', 'retire'])('root %s is refused under STATIC_CLIENTS', async (what) => {
  env = { ...env, STATIC_CLIENTS };
  const { stderr, code } = await root(what);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^authledger: STATIC_CLIENTS is set/);
});
