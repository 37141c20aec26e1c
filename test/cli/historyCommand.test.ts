import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Recorded } from '../../src/event.ts';
import { logIn, withoutPositions } from '../inStores.ts';
import { end, runCommand, startServer } from '../runCommand.ts';
import { signedFetch } from '../signed.ts';
import { minutesFromNow, ROOT, STATIC_CLIENTS } from '../startService.ts';

const folder = mkdtempSync(join(tmpdir(), 'authledger-history-'));
const secret = 'canary-secret-of-tunnels-0123456789';
const env = {
  DATA_DIR: join(folder, 'data'),
  STATIC_CLIENTS,
  WEBSOCKTUNNEL: JSON.stringify({ secret }),
};
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (args: string[], others: Record<string, string> = {}) =>
  runCommand(['history', ...args], { ...env, LOG_LEVEL: 'warn', ...others });
async function linesOf(...args: string[]): Promise<string[]> {
  const { stdout, stderr, code } = await run(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.split('\n').slice(0, -1);
}
const eventsOf = async (...args: string[]): Promise<Recorded[]> =>
  (await linesOf('--json', ...args)).map((line) => JSON.parse(line) as Recorded);
beforeAll(async () => {
  const { child, rootUrl } = await startServer(env);
  const ask = async (path: string, method: string, body?: object): Promise<void> => {
    const { status } = await signedFetch(`${rootUrl}/api/auth/v1${path}`, ROOT, { method, body });
    expect(status).toBeLessThan(300);
  };
  await ask('/roles/team%3Aa', 'PUT', { description: '', scopes: ['a'] });
  await ask('/roles/team%3Ab', 'PUT', { description: '', scopes: ['b'] });
  await ask('/roles/c%20by%20%22me%22', 'PUT', { description: '', scopes: [] });
  await ask('/clients/one', 'PUT', {
    description: '\u009b2J \u{1f511}',
    expires: minutesFromNow(60),
    scopes: [],
  });
  await ask('/websocktunnel/aud/client', 'GET');
  await ask('/clients/one/disable', 'POST');
  await end(child);
});

describe('authledger history', () => {
  test('tells who did what, when, on what, and through which request, oldest first', async () => {
    const log = await logIn(env);
    const lines = await linesOf();
    expect(lines).toHaveLength(log.length);
    for (const [i, { position, type, metadata }] of log.entries()) {
      expect(lines[i]).toContain(`${position} ${metadata.at} ${type} `);
      expect(lines[i]).toContain(`by ${metadata.actor} request ${metadata.requestId}`);
    }
    const told = lines.join('\n');
    expect(told).toMatch(/ClientDisabled client\/one by static\/root/);
    expect(told).toMatch(/RoleCreated role\/team:b by static\/root/);
    expect(told).toMatch(/RoleCreated "role\/c by \\"me\\"" by static\/root/);
    expect(told).toMatch(
      /CredentialsIssued credentials\/websocktunnel aud\/client until 20.*Z by static\/root/,
    );
  });

  test('prints whole events as lines of JSON, without a secret', async () => {
    expect(await eventsOf()).toEqual(await logIn(env));
    const all = (await linesOf('--json')).join('') + (await linesOf()).join('');
    expect(all).toMatch(/^[\x20-\x7e]*$/);
    for (const hidden of [secret, ROOT.accessToken, 'eyJ']) expect(all).not.toContain(hidden);
  });

  test('tells of what is asked for only', async () => {
    const [created, disabled] = (await logIn(env)).filter(({ stream }) => stream === 'client-one');
    expect(await eventsOf('--client', 'one', '--after', created!.position, '--limit', '5')).toEqual([
      disabled,
    ]);
    const [credentials] = await eventsOf('--service', 'websocktunnel', '--actor', 'static/root');
    expect(credentials).toMatchObject({ type: 'CredentialsIssued', data: { target: 'aud/client' } });
  });

  test.each([
    [['--client', 'a', '--role', 'b'], /cannot be used with/],
    [['--after', 'x'], /--after must be a position of this log/],
    [['--limit', '0'], /whole number from 1 on/],
    [['--service', 'aws'], /Allowed choices are aws-s3, /],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await run(args);
    expect(code).toBe(1);
    expect(stderr).toMatch(message);
  });

  test('tells the same of a copy', async () => {
    const to = join(folder, 'copy');
    const urls = ['--from', `sqlite:${env.DATA_DIR}`, '--to', `sqlite:${to}`];
    expect((await runCommand(['copy', ...urls], env)).code).toBe(0);
    const { stdout } = await run(['--json'], { DATA_DIR: to });
    const copied = stdout.split('\n').slice(0, -1);
    expect(withoutPositions(copied.map((line) => JSON.parse(line) as Recorded))).toEqual(
      withoutPositions(await logIn(env)),
    );
  });
});
