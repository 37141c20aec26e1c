import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openSqlite } from '../../src/storage/openSqlite.ts';
import { unusedPort } from '../listeners.ts';
import { startMongoDouble } from '../mongoDouble.ts';
import { end, runCommand, runIntoHead, startCommand, startServer } from '../runCommand.ts';
import { sharedFile, testWithShared } from '../sharedData.ts';
import { signedFetch } from '../signed.ts';
import { minutesFromNow, ROOT, STATIC_CLIENTS } from '../startService.ts';

let folder: string;
let env: Record<string, string>;
const folders: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'authledger-cli-'));
  folders.push(folder);
  env = { DATA_DIR: join(folder, 'data'), STATIC_CLIENTS, LOG_LEVEL: 'warn' };
});
let running: Awaited<ReturnType<typeof startServer>> | undefined;
afterEach(async () => {
  if (running) await end(running.child);
  running = undefined;
});
afterAll(() => folders.forEach((each) => rmSync(each, { recursive: true, force: true })));

const run = (...args: string[]) => runCommand(args, env);
function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}
async function serve() {
  running = await startServer({ ...env, LOG_LEVEL: 'info' });
  return running;
}
const get = async (path: string): Promise<never> =>
  (await (await fetch(running!.rootUrl + path)).json()) as never;

describe('the command line', () => {
  test.each([
    [],
    ['serve'],
    ['import'],
    ['export'],
    ['history'],
    ['explain'],
    ['who-can'],
    ['diff'],
    ['show'],
    ['copy'],
    ['projections'],
    ['projections', 'rebuild'],
    ['keys', 'rotate'],
    ['root', 'rotate'],
    ['root', 'retire'],
    ['purge-expired'],
    ['config'],
    ['demo'],
  ])('explains %s', async (...args) => {
    const { stdout, code } = await run(...args, '--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Usage: authledger/);
  });

  test('refuses what it does not know, and settings that are wrong, by name', async () => {
    expect((await run('nonsense')).stderr).toMatch(/unknown command/);
    env = { ...env, PORT: 'x', READ_ACCESS: 'maybe' };
    for (const command of ['serve', 'config', 'purge-expired']) {
      const { stderr, code } = await run(command);
      expect(code).toBe(1);
      expect(stderr).toMatch(/PORT: must be/);
      expect(stderr).toMatch(/READ_ACCESS: must be one of published, guarded, open/);
    }
  });

  test('shows the settings without secrets', async () => {
    const { stdout } = await run('config');
    expect(JSON.parse(stdout)).toMatchObject({
      port: 8080,
      logLevel: 'warn',
      secretKeys: expect.stringMatching(/generated/),
    });
    expect(stdout).not.toContain(ROOT.accessToken);
  });
});

describe('serve', () => {
  test('finishes what it was asked before it stops', async () => {
    const { rootUrl, child } = await serve();
    const url = (i: number): string => `${rootUrl}/api/auth/v1/clients/drain%2F${i}`;
    const body = { description: '', expires: minutesFromNow(10), scopes: [] };
    const replies = Array.from({ length: 50 }, (_, i) => signedFetch(url(i), ROOT, { method: 'PUT', body }));
    await replies[0];
    const ended = end(child, 'SIGTERM');
    const statuses = await Promise.allSettled(replies);
    await ended;
    expect(child.exitCode).toBe(0);
    const answered = statuses.flatMap((each) => (each.status === 'fulfilled' ? [each.value.status] : []));
    expect(new Set(answered)).toEqual(new Set([200]));
    // A connection that was no longer accepted gets no answer; an accepted one does.
    expect(answered.length).toBeGreaterThan(5);
    const { stdout } = await run('export', 'clients');
    const stored = (JSON.parse(stdout) as { clientId: string }[]).filter(({ clientId }) =>
      clientId.startsWith('drain/'),
    );
    expect(stored.length).toBe(answered.length);
  });

  test('tells who can read when it listens beyond this machine', async () => {
    env = { ...env, HOST: '0.0.0.0' };
    const { output } = await serve();
    expect(output()).toMatch(/READ_ACCESS=guarded/);
  });

  test('starts again after it was killed, and makes no second administrator', async () => {
    const { STATIC_CLIENTS: _, ...without } = env;
    env = without;
    const { child, output: first } = await serve();
    const file = join(env['DATA_DIR']!, 'root-credentials.json');
    const credentials = readFileSync(file, 'utf8');
    const { accessToken } = JSON.parse(credentials) as { accessToken: string };
    await end(child, 'SIGKILL');
    // Output that is not a terminal may be stored.
    expect(first()).toContain(`Its token is kept in\n${file}`);
    expect(first()).not.toContain(accessToken);
    const { output } = await serve();
    expect(output()).not.toContain(accessToken);
    expect(readFileSync(file, 'utf8')).toBe(credentials);
    expect(statSync(env['DATA_DIR']!).mode & 0o777).toBe(0o700);
  });
});

describe('serve on servers that cannot be used', () => {
  async function startOn(settings: Record<string, string>) {
    const SECRET_KEYS = JSON.stringify([{ id: 'k', key: Buffer.alloc(32).toString('base64') }]);
    const servers = { EVENT_STORE_URL: 'kurrentdb://in.no.use', READ_STORE_URL: 'mongodb://in.no.use' };
    const { DATA_DIR: _, ...own } = env;
    return runCommand(['serve'], { ...own, PORT: '0', SECRET_KEYS, ...servers, ...settings });
  }

  test('ends with one line, which names the setting and the cause', async () => {
    const port = await unusedPort();
    const mongo = await startMongoDouble(() => ({ ok: 1 }));
    const ends = await Promise.all([
      startOn({ READ_STORE_URL: `mongodb://app:a-secret@127.0.0.1:${port}/` }),
      startOn({
        READ_STORE_URL: `mongodb://127.0.0.1:${mongo.port}/`,
        EVENT_STORE_URL: `kurrentdb://app:a-secret@127.0.0.1:${port}?tls=false`,
      }),
    ]);
    mongo.close();
    expect(ends).toEqual(
      ['READ_STORE_URL', 'EVENT_STORE_URL'].map((name) => ({
        code: 1,
        stdout: '',
        stderr: `authledger: ${name}: nothing listens at 127.0.0.1:${port}\n`,
      })),
    );
  }, 30_000);
});

test('a reader who has had enough, as head has, ends a command quietly, and no change halfway', async () => {
  const clients = (name: string, count: number): string => {
    const client = { description: 'x'.repeat(500), expires: '2099-01-01T00:00:00.000Z', scopes: ['a'] };
    const all = Array.from({ length: count }, (_, i) => ({ clientId: `${name}/${i}`, ...client }));
    return file(`${name}.json`, all);
  };
  // More than the buffer of a pipe.
  await run('import', clients('first', 400));
  for (const args of [
    ['export', 'clients'],
    ['history', '--json'],
  ])
    expect(await runIntoHead(args, env)).toEqual({
      stdout: expect.stringMatching(/^.{5}$/),
      stderr: '',
      code: 0,
    });
  expect(await runIntoHead(['import', clients('second', 50)], env, '2>&1')).toMatchObject({ code: 0 });
  expect(JSON.parse((await run('export', 'clients')).stdout)).toHaveLength(450);
});

(existsSync('/dev/full') || process.env['NO_TEST_SKIP'] === '1' ? test : test.skip)(
  'what cannot be printed for another reason is a failure (skipped where there is no /dev/full)',
  async () => {
    const { code, stderr } = await runIntoHead(['export', 'roles'], env, '>/dev/full');
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('ENOSPC') });
    expect((await runIntoHead(['config'], env, '>/dev/full')).code).toBe(1);
  },
);

describe('import and export', () => {
  const expires = '2099-01-01T00:00:00.000Z';
  const dates = { created: '2015-01-01T00:00:00.000Z', lastModified: '2016-01-01T00:00:00.000Z' };
  const client = {
    clientId: 'a',
    description: 'x',
    expires,
    scopes: ['b', 'a'],
    disabled: false,
    deleteOnExpiration: false,
    ...dates,
    lastRotated: '2017-01-01T00:00:00.000Z',
    lastDateUsed: '2018-01-01T00:00:00.000Z',
  };

  testWithShared(
    'data/taskcluster-roles.json',
    'take over all roles of a production deployment, and give them back',
    async () => {
      const source = sharedFile('data/taskcluster-roles.json');
      type Role = { roleId: string; scopes: string[]; expandedScopes: string[] };
      const published = JSON.parse(readFileSync(source, 'utf8')) as Role[];
      await serve();
      const imported = await run('import', source.pathname);
      expect(imported.stdout).toMatch(/^roles: 486 created, 0 updated, 0 unchanged/);
      const listed = (await get('/v1/roles/')) as Role[];
      const byId = new Map(listed.map((role) => [role.roleId, role]));
      expect(listed).toHaveLength(486);
      for (const { roleId, scopes, expandedScopes, ...rest } of published) {
        expect(byId.get(roleId)).toMatchObject({ roleId, expandedScopes, ...rest });
        expect(new Set(byId.get(roleId)!.scopes)).toEqual(new Set(scopes));
        expect(await get(`/v1/roles/${encodeURIComponent(roleId)}`)).toEqual(byId.get(roleId));
        const body = JSON.stringify({ scopes: [`assume:${roleId}`] });
        const headers = { 'content-type': 'application/json' };
        const expanded = await fetch(`${running!.rootUrl}/v1/scopes/expand`, {
          method: 'POST',
          headers,
          body,
        });
        expect(await expanded.json()).toEqual({ scopes: expandedScopes });
      }
      const again = await run('import', source.pathname);
      expect(again.stdout).toMatch(/486 unchanged\n[^]*nothing to change/);
      expect(JSON.parse((await run('export', 'roles')).stdout)).toEqual(listed);
    },
  );

  test('keep dates, tokens, and whether a client is disabled; static clients are skipped and counted', async () => {
    const accessToken = 'imported-token-0123456789';
    const off = { ...client, clientId: 'off', disabled: true };
    const given = file('clients.json', [
      { ...client, accessToken, scopes: ['auth:current-scopes'] },
      off,
      { ...client, clientId: 'static/x' },
    ]);
    await serve();
    const { stdout, stderr } = await run('import', given);
    expect(stdout).toMatch(/clients: 2 created, 0 updated, 0 unchanged\nstatic clients skipped, .*: 1/);
    expect(stdout + stderr).not.toContain(accessToken);
    const { lastDateUsed, ...kept } = off;
    expect(await get('/v1/clients/off')).toMatchObject({ ...kept, lastDateUsed });
    expect(
      (await signedFetch(`${running!.rootUrl}/api/auth/v1/scopes/current`, { clientId: 'a', accessToken }))
        .status,
    ).toBe(200);
    expect((await run('import', given)).stdout).toMatch(/nothing to change/);
    const exported = (await run('export', 'clients')).stdout;
    expect(exported).not.toMatch(/accessToken|credential/);
    expect((await run('import', file('exported.json', exported))).stdout).toMatch(/nothing to change/);
    const history = await signedFetch(`${running!.rootUrl}/api/auth/v1/audit/client/off`, ROOT);
    expect(history.body).toMatchObject({
      auditHistory: [
        { actionType: 'created', clientId: 'static/authledger/import' },
        { actionType: 'client disabled', clientId: 'static/authledger/import' },
      ],
    });
  });

  test('change what is different, and leave the token of a client that exists', async () => {
    await run(
      'import',
      file('one.json', [
        { ...client, accessToken: 'first-token-0123456789-' },
        { roleId: 'r', description: '', scopes: ['a'] },
      ]),
    );
    const next = file('two.json', [
      { ...client, description: 'new', disabled: true, accessToken: 'other-token-0123456789-' },
      { roleId: 'r', description: '', scopes: ['b'] },
    ]);
    const { stdout, stderr } = await run('import', next);
    expect(stdout).toMatch(/roles: 0 created, 1 updated, 0 unchanged\nclients: 0 created, 1 updated/);
    expect(stderr).toMatch(/client a has another accessToken/);
    const [exported] = JSON.parse((await run('export', 'clients')).stdout) as object[];
    expect(exported).toMatchObject({ description: 'new', disabled: true });
  });

  test('say what would happen, and do nothing, on a dry run', async () => {
    const { stdout } = await run('import', '--dry-run', file('clients.json', [client]));
    expect(stdout).toMatch(/would create client a\n[^]*clients: 1 to create/);
    expect(JSON.parse((await run('export', 'clients')).stdout)).toEqual([]);
  });

  test('take roles after those that they refer to, whatever the order of the file', async () => {
    const role = (roleId: string, ...scopes: string[]): object => ({ roleId, description: '', scopes });
    const roles = [
      role('a', 'assume:b', 'assume:d'),
      role('b', 'assume:c:x'),
      role('d', 'assume:b'),
      role('c:*', 'x'),
    ];
    const { stdout } = await run('import', '--dry-run', file('roles.json', roles));
    expect(stdout.match(/would create role (.*)/g)!.map((line) => line.slice(18))).toEqual([
      'c:*',
      'b',
      'd',
      'a',
    ]);
  });

  testWithShared(
    'cases/cyclic-role-1.json',
    'take over a role that grants itself, and change it, as their dry run says; the API then changes what adds nothing',
    async () => {
      const [first, second] = [1, 2].map((i) => sharedFile(`cases/cyclic-role-${i}.json`).pathname);
      const { rootUrl } = await serve();
      for (const [path, action, done] of [
        [first!, 'create', '1 created, 0 updated'],
        [second!, 'update', '0 created, 1 updated'],
      ] as const) {
        const dry = await run('import', '--dry-run', path);
        expect([dry.code, dry.stdout]).toEqual([0, expect.stringContaining(`would ${action} role admins`)]);
        const wet = await run('import', path);
        expect([wet.code, wet.stdout]).toEqual([0, expect.stringContaining(done)]);
      }
      expect((await run('import', second!)).stdout).toMatch(/nothing to change/);
      const url = `${rootUrl}/api/auth/v1/roles/admins`;
      const update = (description: string, ...scopes: string[]) =>
        signedFetch(url, ROOT, { method: 'POST', body: { description, scopes } });
      expect(await update('by the API', 'assume:*')).toMatchObject({
        status: 200,
        body: { description: 'by the API', expandedScopes: ['assume:*'] },
      });
      expect(await update('fewer')).toMatchObject({ status: 200, body: { scopes: [] } });
      expect(await update('again', 'assume:*')).toMatchObject({
        status: 400,
        body: { code: 'InputError', details: { cycle: ['admins', 'admins'] } },
      });
    },
  );

  test('close a cycle of roles that exist already, and refuse one that would grow for ever, before anything is changed', async () => {
    const role = (roleId: string, ...scopes: string[]): object => ({ roleId, description: '', scopes });
    await run('import', file('before.json', [role('p*', 'assume:q<..>'), role('q*', 'x')]));
    const growing = file('growing.json', [role('fine'), role('q*', 'assume:p<..>x')]);
    for (const args of [['--dry-run', growing], [growing]]) {
      const { code, stderr } = await run('import', ...args);
      expect(code).toBe(1);
      expect(stderr).toMatch(/growing\.json\[1\]: .*without end, found: `q\*` -> `p\*` -> `q\*`/);
    }
    const closing = file('closing.json', [role('q*', 'assume:p<..>')]);
    expect((await run('import', closing)).stdout).toMatch(/^roles: 0 created, 1 updated/);
    // Both the order of the file and that of dependencies put q* first, which would expand infinitely with the present
    // p*.
    const swapped = file('swapped.json', [role('q*', 'assume:p<..>x'), role('p*', 'assume:q')]);
    expect((await run('import', '--dry-run', swapped)).stdout).toMatch(/would update role p\*\nwould/);
    expect((await run('import', swapped)).stdout).toMatch(/^roles: 0 created, 2 updated/);
  });

  test('name each bad entry by its file and index, and import nothing then', async () => {
    const bad = [
      client,
      5,
      { ...client, expires: 'x' },
      { roleId: 'p*', description: '', scopes: ['assume:p<..>x'] },
      client,
      { ...client, clientId: 'b', accessToken: 'short' },
    ];
    const { stderr, code } = await run('import', file('bad.json', bad));
    expect(code).toBe(1);
    for (const [index, message] of [
      [1, 'must be a role'],
      [2, 'expires'],
      [3, 'cycle'],
      [4, 'twice'],
      [5, 'accessToken'],
    ]) {
      expect(stderr).toMatch(new RegExp(`bad\\.json\\[${index}\\]: .*${message}`));
    }
    expect(stderr).not.toContain('short');
    expect((await run('import', file('no.json', '{'))).stderr).toMatch(/no\.json: is not valid JSON/);
    expect((await run('import', join(folder, 'missing.json'))).stderr).toMatch(/missing\.json/);
    expect(JSON.parse((await run('export', 'clients')).stdout)).toEqual([]);
  });
});

describe('on a directory that a service runs on', () => {
  test('projections are rebuilt while it answers, and say how far they are', async () => {
    await serve();
    const accounts = Array.from({ length: 300 }, (_, i) => ({
      clientId: `c/${i}`,
      description: '',
      expires: minutesFromNow(10),
      scopes: [],
    }));
    await run('import', file('clients.json', accounts));
    let answered = 0;
    let isDone = false;
    const asking = (async () => {
      while (!isDone) {
        expect(await get('/v1/clients/?prefix=c%2F')).toHaveLength(300);
        answered += 1;
      }
    })();
    const { stdout, code } = await run('projections', 'rebuild');
    isDone = true;
    await asking;
    expect(code).toBe(0);
    expect(stdout).toMatch(/clients, roles, role-history, actor-history, lives, .*: built from \d+ events/);
    expect(answered).toBeGreaterThan(0);
    expect((await run('projections', 'status')).stdout).toMatch(
      /actor-history-v\d+ +│ [0-9a-f]{12}\.\d{20} │ 0/,
    );
    expect((await run('projections', 'rebuild', 'nonsense')).code).not.toBe(0);
  });

  test('keys are rotated under it, and it goes on with new and old tokens', async () => {
    const { rootUrl } = await serve();
    const url = (path: string): string => `${rootUrl}/api/auth/v1${path}`;
    const body = { description: '', expires: minutesFromNow(10), scopes: ['auth:current-scopes'] };
    const create = async (name: string) =>
      (await signedFetch(url(`/clients/${name}`), ROOT, { method: 'PUT', body })).body as never;
    const before = await create('before');
    const first = await run('keys', 'rotate');
    expect(first.stdout).toMatch(
      /current key: \S+; secrets sealed again: 3\nno longer used: \S+ \(it may be removed\)/,
    );
    expect((await signedFetch(url('/scopes/current'), before)).status).toBe(200);
    const after = await create('after');
    expect((await signedFetch(url('/scopes/current'), after)).status).toBe(200);
    const second = await run('keys', 'rotate');
    expect(second.stdout).toMatch(/secrets sealed again: 4/);
    expect(second.stdout.match(/no longer used/g)).toHaveLength(2);
    for (const itself of [before, after])
      expect((await signedFetch(url('/scopes/current'), itself)).status).toBe(200);
  });

  test('keys that the operator keeps are rotated after they were added', async () => {
    const key = (id: string): object => ({ id, key: Buffer.alloc(32, id).toString('base64') });
    env = { ...env, SECRET_KEYS: JSON.stringify([key('one')]) };
    const first = await serve();
    await end(first.child);
    expect(existsSync(join(env['DATA_DIR']!, 'secret-keys.json'))).toBe(false);
    env = { ...env, SECRET_KEYS: JSON.stringify([key('two'), key('one')]) };
    await serve();
    expect((await run('keys', 'rotate')).stdout).toMatch(/current key: two; [^]*no longer used: one/);
    await end(running!.child);
    env = { ...env, SECRET_KEYS: JSON.stringify([key('two')]) };
    const { rootUrl } = await serve();
    expect((await signedFetch(`${rootUrl}/api/auth/v1/scopes/current`, ROOT)).status).toBe(200);
  });

  test('an import that fails halfway keeps what it has done, says so, and goes on when it is run again', async () => {
    const clients = Array.from({ length: 200 }, (_, i) => ({
      clientId: `many/${i}`,
      description: '',
      expires: minutesFromNow(10),
      scopes: ['a'],
    }));
    await run('export', 'clients');
    const log = openSqlite(join(env['DATA_DIR']!, 'log.sqlite'), { synchronous: 'FULL' });
    log.exec(
      `CREATE TRIGGER broken BEFORE INSERT ON events WHEN NEW.stream = 'client-many/150' BEGIN SELECT RAISE(ABORT, 'a bad block'); END`,
    );
    const given = file('clients.json', clients);
    const failed = await run('import', given);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(
      /authledger: what was imported until now stays \(\d+ entries\): run it again/,
    );
    expect(failed.stderr).toMatch(/a bad block/);
    log.exec('DROP TRIGGER broken');
    log.close();
    await serve();
    const again = await run('import', given);
    expect(again.stdout).toMatch(/clients: \d+ created, 0 updated, \d+ unchanged/);
    expect(await get('/v1/clients/?prefix=many')).toHaveLength(200);
  });

  test('expired clients are purged by the service at its start, and by the command', async () => {
    const old = (clientId: string) => ({
      clientId,
      description: '',
      expires: '2020-01-01T00:00:00.000Z',
      scopes: [],
      deleteOnExpiration: true,
    });
    const kept = { ...old('kept'), deleteOnExpiration: false };
    await run('import', file('clients.json', [old('one'), kept]));
    await serve();
    while ((await fetch(`${running!.rootUrl}/v1/clients/one`)).status !== 404)
      await new Promise((resolve) => setTimeout(resolve, 20));
    await run('import', file('more.json', [old('two')]));
    expect((await run('purge-expired')).stdout).toBe('removed 1 expired client\n');
    expect((await fetch(`${running!.rootUrl}/v1/clients/two`)).status).toBe(404);
    expect((await fetch(`${running!.rootUrl}/v1/clients/kept`)).status).toBe(200);
    const history = await signedFetch(`${running!.rootUrl}/api/auth/v1/audit/client/one`, ROOT);
    expect(history.body).toMatchObject({
      auditHistory: [{}, { actionType: 'expired', clientId: 'static/authledger/purge' }],
    });
  });
});

test('the demo shows its tour and ends', async () => {
  const child = startCommand(['demo', '--exit'], {});
  let output = '';
  child.stdout!.on('data', (part: Buffer) => (output += part.toString()));
  const code = await new Promise((resolve) => child.once('exit', resolve));
  expect(code).toBe(0);
  expect(output).toMatch(/client demo\/builder is disabled/);
  expect(output).toMatch(/yes: client demo\/builder has queue:get-artifact:private/);
  expect(output).toMatch(/no: role project-admin:\* lacks queue:get-artifact:private/);
});
