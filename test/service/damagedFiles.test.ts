import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { closeSqlite, openSqlite } from '../../src/storage/openSqlite.ts';
import { damage } from '../damage.ts';
import { rawRequest } from '../rawRequest.ts';
import { end, runCommand, startServer } from '../runCommand.ts';
import { signedFetch } from '../signed.ts';
import { minutesFromNow, ROOT, STATIC_CLIENTS } from '../startService.ts';

let folder: string;
let env: Record<string, string>;
let serving: Awaited<ReturnType<typeof startServer>>[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'authledger-damage-'));
  env = { DATA_DIR: join(folder, 'data'), STATIC_CLIENTS };
  serving = [];
});
afterEach(async () => {
  await Promise.all(serving.map(({ child }) => end(child)));
  rmSync(folder, { recursive: true, force: true });
});

async function serve(more: Record<string, string> = {}) {
  const started = await startServer({ ...env, ...more });
  serving.push(started);
  return started;
}

async function importClients(count: number): Promise<void> {
  const clients = Array.from({ length: count }, (_, i) => ({
    clientId: `client/${i}`,
    description: 'x'.repeat(500),
    expires: minutesFromNow(60),
    scopes: [],
  }));
  const file = join(folder, 'clients.json');
  writeFileSync(file, JSON.stringify(clients));
  expect((await runCommand(['import', file], env)).code).toBe(0);
}

/** What the service read before is in its memory: it looks at the file again once another process has changed something in it. */
function changeElsewhere(file: string): void {
  const db = openSqlite(file, { synchronous: 'NORMAL' });
  db.pragma('user_version = 1');
  closeSqlite(db);
}

const inData = (name: string): string => join(env['DATA_DIR']!, name);
const at = (rootUrl: string, path: string): string => `${rootUrl}/api/auth/v1${path}`;

/** How many clients are listed; the status, negative, where that fails. */
async function listed(rootUrl: string): Promise<number> {
  let count = 0;
  let token: string | undefined;
  do {
    const page = token === undefined ? '' : `&continuationToken=${token}`;
    const { status, body } = await signedFetch(at(rootUrl, `/clients/?limit=500${page}`), ROOT);
    if (status !== 200) return -status;
    const { clients, continuationToken } = body as unknown as {
      clients: object[];
      continuationToken?: string;
    };
    count += clients.length;
    token = continuationToken;
  } while (token !== undefined);
  return count;
}

test('read models that are damaged while the service runs are reported, and are rebuilt once they were removed', async () => {
  await importClients(2000);
  const { child, rootUrl, output } = await serve();
  damage(inData('read.sqlite'));
  changeElsewhere(inData('read.sqlite'));
  expect(await listed(rootUrl)).toBe(-503);
  const sick = await rawRequest(at(rootUrl, '/__heartbeat__'));
  expect(sick).toMatchObject({
    status: 503,
    body: { message: expect.stringContaining('the read store is damaged') },
  });
  expect(sick.text).not.toContain(folder);
  // Lines of the log may be written a little later.
  const told = /read\.sqlite is damaged.*remove it and the files beside it \(-wal, -shm\), and start again/;
  for (let waited = 0; waited < 50 && !told.test(output()); waited += 1) await sleep(100);
  expect(output()).toMatch(told);
  expect((await rawRequest(at(rootUrl, '/__lbheartbeat__'))).status).toBe(200);
  expect((await signedFetch(at(rootUrl, '/scopes/current'), ROOT)).status).toBe(200);
  await end(child);

  for (const name of ['read.sqlite', 'read.sqlite-wal', 'read.sqlite-shm'])
    rmSync(inData(name), { force: true });
  const again = await serve();
  expect(await listed(again.rootUrl)).toBe(2001);
  expect((await rawRequest(at(again.rootUrl, '/__heartbeat__'))).status).toBe(200);
});

test.each(['1', '2'])(
  'read models whose file is none at all are put aside by a start of %s, and refused with what to do by another command',
  async (WORKERS) => {
    await importClients(20);
    writeFileSync(inData('read.sqlite'), 'this was a database once, and is one no more'.repeat(100));
    const exported = await runCommand(['export', 'clients'], env);
    expect(exported.code).toBe(1);
    expect(exported.stderr).toMatch(/^authledger: .*read\.sqlite is damaged: .*remove it/);
    expect(exported.stderr).not.toMatch(/\n\s+at /);

    const { rootUrl, output } = await serve({ WORKERS });
    expect(await listed(rootUrl)).toBe(21);
    expect((await rawRequest(at(rootUrl, '/__heartbeat__'))).status).toBe(200);
    expect(output()).toMatch(
      /"level":"error".*read\.sqlite is damaged: it was put aside, and is built anew from the log/,
    );
    const [aside, ...others] = readdirSync(env['DATA_DIR']!).filter((name) =>
      name.startsWith('read.sqlite.damaged-'),
    );
    expect(others).toEqual([]);
    expect(aside).toMatch(/^read\.sqlite\.damaged-\d{4}-\d\d-\d\dT[\d.-]+Z$/);
    expect(existsSync(inData('read.sqlite'))).toBe(true);
  },
);

test.each(['log.sqlite', 'secrets.sqlite'])(
  '%s is never put aside: a start names it, and says what to do',
  async (name) => {
    await importClients(1);
    writeFileSync(inData(name), 'this was a database once, and is one no more'.repeat(100));
    const { code, stderr } = await runCommand(['serve'], { ...env, PORT: '0' });
    expect(code).toBe(1);
    expect(stderr).toContain(`authledger: ${inData(name)} is damaged`);
    expect(stderr).toMatch(/restore it from a backup/);
    expect(readdirSync(env['DATA_DIR']!).filter((each) => each.includes('damaged'))).toEqual([]);
  },
);
