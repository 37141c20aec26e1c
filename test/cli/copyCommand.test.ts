import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { exported } from '../exported.ts';
import { inStores, logIn, withoutPositions } from '../inStores.ts';
import { rounds } from '../rounds.ts';
import { end, type Finished, runCommand, startCommand, startServer } from '../runCommand.ts';
import { signedFetch } from '../signed.ts';
import { minutesFromNow, ROOT, STATIC_CLIENTS } from '../startService.ts';

const folder = mkdtempSync(join(tmpdir(), 'authledger-copy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const source = join(folder, 'source');
const env = { STATIC_CLIENTS, LOG_LEVEL: 'info' };
const KEYS = JSON.stringify([{ id: 'of-the-settings', key: Buffer.alloc(32, 7).toString('base64') }]);

const copy = (to: string, others: Record<string, string> = {}): Promise<Finished> =>
  runCommand(['copy', '--from', `sqlite:${source}`, '--to', `sqlite:${to}`], { ...env, ...others });

const countIn = (dataDir: string): Promise<number> =>
  inStores({ DATA_DIR: dataDir }, async ({ eventStore }) => Number((await eventStore.head()).split('.')[1]));

/** How many events there are, seen without a lock: who opens a store, as `countIn` does, keeps whoever writes to it waiting. */
function countBeside(dataDir: string): number {
  const file = join(dataDir, 'log.sqlite');
  if (!existsSync(file)) return 0;
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare<[], number>('SELECT count(*) FROM events').pluck().get()!;
  } catch {
    return 0; // there is no table yet
  } finally {
    db.close();
  }
}

let client: { clientId: string; accessToken: string };
const MANY = rounds(12_000, 60_000);

/** A few days of changes through the API, and many more events. */
beforeAll(async () => {
  const { child, rootUrl } = await startServer({ ...env, DATA_DIR: source });
  const ask = async (path: string, method: string, body?: object): Promise<Record<string, string>> => {
    const { status, body: reply } = await signedFetch(`${rootUrl}/api/auth/v1${path}`, ROOT, {
      method,
      body,
    });
    expect(status).toBeLessThan(300);
    return reply;
  };
  const settings = { description: 'é', expires: minutesFromNow(600), scopes: ['auth:current-scopes'] };
  await ask('/clients/copied', 'PUT', settings);
  const { accessToken } = await ask('/clients/copied/reset', 'POST');
  client = { clientId: 'copied', accessToken: accessToken! };
  await ask('/clients/gone', 'PUT', settings);
  await ask('/clients/gone', 'DELETE');
  await ask('/clients/gone', 'PUT', { ...settings, description: 'back again' });
  await ask('/clients/gone/disable', 'POST');
  await ask('/roles/a*', 'PUT', { description: '', scopes: ['assume:b<..>'] });
  await ask('/roles/b*', 'PUT', { description: '', scopes: ['c:<..>'] });
  await end(child);
  await inStores({ DATA_DIR: source }, async ({ eventStore }) => {
    const metadata = { actor: 'me', at: '2026-01-01T00:00:00.000Z', requestId: 'r' };
    for (let n = 0; n < MANY; n += 1000) {
      const writes = Array.from({ length: 1000 }, (_, i) => ({
        stream: `client-many/${n + i}`,
        expectedRevision: 'none' as const,
        events: [
          {
            id: randomUUID(),
            type: 'ClientCreated',
            data: {
              ...{ clientId: `many/${n + i}`, ...settings, deleteOnExpiration: false },
              credential: { id: randomUUID(), fingerprint: 'f'.repeat(32) },
            },
          },
        ],
      }));
      await eventStore.append(writes, metadata);
    }
  });
});

describe('authledger copy', () => {
  test('killed again and again, it goes on where it was; in the end the answers are the same', async () => {
    const target = join(folder, 'killed');
    const total = await countIn(source);
    const seen: number[] = [0];
    for (let kill = 0; kill < 3; kill += 1) {
      const child = startCommand(['copy', '--from', `sqlite:${source}`, '--to', `sqlite:${target}`], env);
      while (child.exitCode === null && countBeside(target) <= seen.at(-1)!) await sleep(5);
      await end(child, 'SIGKILL');
      expect(child.signalCode).toBe('SIGKILL');
      const count = await countIn(target);
      expect(count).toBeGreaterThan(seen.at(-1)!);
      expect(count).toBeLessThan(total);
      seen.push(count);
    }
    const { stdout, stderr, code } = await copy(target);
    expect(stdout).toMatch(`${total} events are the same in both logs`);
    expect(stderr).toMatch(/copied .*100%/);
    expect(code).toBe(0);
    const [there, here] = [
      { ...env, DATA_DIR: target },
      { ...env, DATA_DIR: source },
    ];
    expect(withoutPositions(await logIn(there))).toEqual(withoutPositions(await logIn(here)));
    expect(await exported(there)).toEqual(await exported(here));
    expect((await copy(target)).stdout).toMatch(`${total} events are the same in both logs`);
  }, 600_000);

  test('seals the tokens under the keys of the settings, where the source has keys of its own', async () => {
    const target = join(folder, 'sealed');
    expect(await copy(target, { SECRET_KEYS: KEYS })).toMatchObject({ code: 0 });
    const settings = { ...env, DATA_DIR: target, SECRET_KEYS: KEYS };
    const head = await countIn(target);
    const { child, rootUrl } = await startServer(settings);
    try {
      const url = `${rootUrl}/api/auth/v1/scopes/current`;
      expect((await signedFetch(url, client)).body).toMatchObject({
        scopes: expect.arrayContaining(['auth:current-scopes']),
      });
    } finally {
      await end(child);
    }
    // The static clients had not changed, so the start appended no event.
    expect(await countIn(target)).toBe(head);
  });

  test('is refused, saying why, where a service has written to the target', async () => {
    const target = join(folder, 'used');
    await end((await startServer({ ...env, DATA_DIR: target })).child);
    const { stderr, code } = await copy(target);
    expect(code).toBe(1);
    expect(stderr).toMatch(/authledger: the target has ClientCreated .* where the source has ClientCreated/);
    expect(stderr).not.toMatch(/ at /);
  });

  test('is refused for addresses that cannot be right', async () => {
    const from = async (address: string): Promise<string> =>
      (await runCommand(['copy', '--from', address, '--to', `sqlite:${join(folder, 'x')}`], env)).stderr;
    expect(await from(`sqlite:${join(folder, 'nowhere')}`)).toMatch(/there is no directory/);
    expect(existsSync(join(folder, 'nowhere'))).toBe(false);
    expect(await from('kurrentdb://user:password@host:2113')).toMatch(/env:NAME/);
    expect(await from('kurrentdb://user:password@host:2113')).not.toMatch(/password@/);
    expect(await from('env:NOT_SET')).toMatch(/NOT_SET is not set/);
    expect(await from('kurrentdb://host:2113')).toMatch(/READ_STORE_URL/);
  });
});
