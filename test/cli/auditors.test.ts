import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeAuditorsLog } from '../auditorsLog.ts';
import { ROLES_STREAM } from '../../src/eventStore/streams.ts';
import { inStores, logIn } from '../inStores.ts';
import { unusedPort } from '../listeners.ts';
import { end, type Finished, runCommand, runIntoHead, startServer } from '../runCommand.ts';
import { signedFetch } from '../signed.ts';
import { ROOT, STATIC_CLIENTS } from '../startService.ts';

const folder = mkdtempSync(join(tmpdir(), 'authledger-auditors-'));
const env = { DATA_DIR: join(folder, 'data'), STATIC_CLIENTS, LOG_LEVEL: 'warn' };
const credentials = { TASKCLUSTER_CLIENT_ID: ROOT.clientId, TASKCLUSTER_ACCESS_TOKEN: ROOT.accessToken };
const ARTIFACTS = 'queue:get-artifact:private/*';
/** A week before the last change, and its position. */
const EARLIER = '2026-11-24T00:00:00Z';
/** Clears the screen, in one byte and in two, and begins a new line. */
const HOSTILE = 'a\u009b2Jb\u001b[2Jc\nd';
/** Without controlling characters, in two scripts. */
const FOREIGN = 'ü 漢字';
const LONG = `queue:${'x'.repeat(300)}`;
const longId = 'id/'.repeat(60);
const longRole = 'long'.repeat(60);
const expires = '2099-01-01T00:00:00.000Z';

let service: Awaited<ReturnType<typeof startServer>>;
let positions: string[];
beforeAll(async () => {
  await writeAuditorsLog(env);
  positions = (await logIn(env)).map(({ position }) => position);
  service = await startServer({ ...env, LOG_LEVEL: 'info' });
  const put = async (path: string, body: object): Promise<void> => {
    expect(
      (await signedFetch(`${service.rootUrl}/api/auth/v1${path}`, ROOT, { method: 'PUT', body })).status,
    ).toBe(200);
  };
  await put(`/roles/${longRole}`, { description: HOSTILE, scopes: [LONG] });
  await put('/roles/anonymous', { description: 'x', scopes: ['anon:x'] });
  await put('/roles/foreign', { description: FOREIGN, scopes: ['a', 'assume:team:readers'] });
  const accessTo = (...scopes: string[]): object => ({ description: 'x', expires, scopes });
  await put(`/clients/${encodeURIComponent(longId)}`, accessTo(`assume:${longRole}`));
}, 60_000);
afterAll(async () => {
  await end(service.child);
  rmSync(folder, { recursive: true, force: true });
});

const overFiles = (...args: string[]): Promise<Finished> => runCommand(args, env);
const overHttp = (...args: string[]): Promise<Finished> =>
  runCommand([...args, '--root-url', service.rootUrl], credentials);
/** What is later than the events: the time of the question itself. */
const withoutNow = (text: string): string =>
  text.replaceAll(/(as of|^to) 20[^ ]*Z/gm, '$1 now').replaceAll(/"(at|time)":"[^"]*"/g, '');

const QUESTIONS: readonly (readonly [what: string, args: string[], answer: RegExp])[] = [
  [
    'explain',
    ['explain', 'ci/linux', ARTIFACTS],
    /yes: client ci\/linux has[^]*role team:readers has[^]*by people\/bob/,
  ],
  [
    'explain of the past',
    ['explain', 'ci/linux', ARTIFACTS, '--at', EARLIER],
    /no: client ci\/linux lacks[^]*would be enough/,
  ],
  [
    'explain of a role',
    ['explain', 'team:developers', ARTIFACTS, '--role'],
    /yes: role team:developers has[^]*├─ whoever has the role team:developers has assume:team:developers\n/,
  ],
  [
    'explain of an expression',
    ['explain', 'ci/linux', '{"AnyOf":["a","queue:list-task:b"]}'],
    /yes: client ci\/linux has/,
  ],
  ['explain of a client that is disabled', ['explain', 'ci/nightly', 'a'], /blocked: the client is disabled/],
  [
    'explain of a client that has it, but is disabled',
    ['explain', 'ci/nightly', 'queue:list-task:b'],
    /^no: client ci\/nightly has queue:list-task:b, but is disabled\n[^]*queue:list-task:b by one path\n/,
  ],
  [
    'explain of what every request has',
    ['explain', 'ci/linux', 'anon:x'],
    /^yes: client ci\/linux has anon:x, with what every request has through the role\s+anonymous\n.*\nanon:x is had by every request, through the role anonymous\n$/,
  ],
  [
    'explain of what every request has, and of what is missing',
    ['explain', 'ci/linux', '{"AllOf":["anon:x","b"]}'],
    /^no: client ci\/linux lacks [^]*missing\n└─ b\neach of these[^]*ci\/linux: add b\n/,
  ],
  [
    'explain of what every request has, and of a client that is disabled',
    ['explain', 'ci/nightly', 'anon:x'],
    /^no: client ci\/nightly has anon:x, with what every request has [^]*but is\s+disabled\n/,
  ],
  [
    'who-can of what every request has',
    ['who-can', 'anon:x'],
    /^who has anon:x\n.*\neverybody: every request/,
  ],
  ['explain with long ids', ['explain', longId, LONG], /yes: client id/],
  [
    'who-can',
    ['who-can', ARTIFACTS],
    /ci\/linux has assume:project-admin:rocket → project-admin:\* → team:developers → team:readers/,
  ],
  [
    'who-can, with who is disabled',
    ['who-can', ARTIFACTS, '--include-disabled'],
    /ci\/nightly \(disabled\) has/,
  ],
  ['who-can with long ids', ['who-can', LONG], /id\/id/],
  [
    'diff',
    ['diff', EARLIER],
    /client ci\/linux\n├─ \+ queue:get-artifact[^]*by RoleUpdated of role team:readers, people\/bob/,
  ],
  [
    'diff of one subject',
    ['diff', EARLIER, '--client', 'ci/nightly'],
    /^one change[^]*- assume:team:readers/,
  ],
  ['diff without changes', ['diff', EARLIER, '--role', 'team:readers', '--scope', 'a'], /^no changes/],
  ['show client', ['show', 'client', 'ci/linux'], /1 scope of its own[^]*6 more through roles/],
  [
    'show role of the past',
    ['show', 'role', 'team:readers', '--at', EARLIER],
    /as of 2026-11-24T00:00:00Z \([0-9a-f]{12}\.0+6\)\n[^]*1 scope of its own[^]*0 more through roles/,
  ],
  ['show with a hostile description', ['show', 'role', longRole], /a\\u\{9b\}2Jb\\u\{1b\}\[2Jc\\u\{a\}d/],
  ['show with a foreign description', ['show', 'role', 'foreign'], /─ ü 漢字\n[^]*2 more through roles/],
  [
    'history of a foreign description',
    ['history', '--content', '--role', 'foreign'],
    /─ description: ü 漢字\n/,
  ],
  ['history', ['history', '--content'], /ClientDisabled client ci\/nightly[^]*description: /],
  [
    'history, newest first',
    ['history', '--newest', '--limit', '3', '--actor', 'people/ada'],
    /^ClientDisabled/,
  ],
];

describe("auditors' commands", () => {
  test.each(QUESTIONS)(
    '%s: the same on the files and over HTTP, in 100 columns, without escape codes',
    async (_, args, answer) => {
      const [there, remote] = await Promise.all([overFiles(...args), overHttp(...args)]);
      expect(there).toEqual({ code: 0, stderr: '', stdout: expect.stringMatching(answer) });
      expect({ ...remote, stdout: withoutNow(remote.stdout) }).toEqual({
        ...there,
        stdout: withoutNow(there.stdout),
      });
      const lines = there.stdout.split('\n');
      expect(lines.filter((line) => line.length > 100)).toEqual([]);
      expect(there.stdout).toMatch(/^[\x20-\x7e├─│└→…ü漢字\n]*$/);
      expect(there.stdout + remote.stdout).not.toContain(ROOT.accessToken);
    },
    60_000,
  );

  test.each([
    [['explain', 'ci/linux', ARTIFACTS], { satisfied: true, scopes: [{ pathCount: 1 }] }],
    [
      ['who-can', ARTIFACTS],
      {
        clients: [{ clientId: 'ci/linux' }, { clientId: 'people/bob' }, { clientId: 'static/root' }],
        complete: true,
      },
    ],
    [['diff', EARLIER, '--client', 'ci/linux'], { changes: [{ gained: [ARTIFACTS] }], complete: true }],
    [['show', 'role', longRole], { description: HOSTILE, scopes: [LONG] }],
    [['history', '--role', longRole, '--content'], { type: 'RoleCreated', scopesAdded: [LONG] }],
  ])('%j --json prints the whole answer in ASCII, the same over HTTP', async (args, answer) => {
    const [there, remote] = await Promise.all([overFiles(...args, '--json'), overHttp(...args, '--json')]);
    expect(there).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[\x20-\x7e]*\n$/) });
    expect(JSON.parse(there.stdout)).toMatchObject(answer);
    expect(withoutNow(remote.stdout)).toBe(withoutNow(there.stdout));
  });

  test('a moment is a position or a time', async () => {
    const question = ['explain', 'ci/linux', ARTIFACTS, '--json', '--at'];
    const [byTime, byPosition, after] = await Promise.all(
      [EARLIER, positions[5]!, positions[6]!].map((at) => overFiles(...question, at)),
    );
    expect(JSON.parse(byTime!.stdout)).toMatchObject({ satisfied: false, position: positions[5] });
    expect(JSON.parse(byPosition!.stdout)).toMatchObject({ satisfied: false, position: positions[5] });
    expect(JSON.parse(after!.stdout)).toMatchObject({ satisfied: true, position: positions[6] });
    const between = await overFiles('diff', positions[6]!, positions[7]!);
    expect(between.stdout).toMatch(/^one change[^]*client ci\/nightly/);
    expect((await overFiles('diff', positions[6]!, '--at', positions[7]!)).stdout).toBe(between.stdout);
  });

  test('history takes --after, --at and --limit together', async () => {
    const typesOf = async (...args: string[]): Promise<string[]> => {
      const { stdout } = await overFiles('history', '--content', '--json', ...args);
      return stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { position: string }).position);
    };
    expect(await typesOf('--after', positions[1]!, '--at', positions[4]!)).toEqual(positions.slice(2, 5));
    expect(await typesOf('--after', positions[1]!, '--at', EARLIER, '--newest', '--limit', '2')).toEqual([
      positions[5],
      positions[4],
    ]);
  });

  test('an answer without a log is refused, and creates nothing', async () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    for (const args of [
      ['explain', 'a', 'b'],
      ['who-can', 'b'],
      ['diff', EARLIER],
      ['show', 'client', 'a'],
      ['history'],
      ['history', '--content'],
    ])
      for (const dataDir of [empty, join(folder, 'mistyped')])
        expect(await runCommand(args, { ...env, DATA_DIR: dataDir })).toEqual({
          code: 1,
          stdout: '',
          stderr: `authledger: there is no log in DATA_DIR=${dataDir}: it must be the DATA_DIR of a service\n`,
        });
    expect(existsSync(join(folder, 'mistyped'))).toBe(false);
    expect(readdirSync(empty)).toEqual([]);
  }, 60_000);

  test('colours show where they are asked for', async () => {
    const { stdout } = await runCommand(['explain', 'ci/linux', ARTIFACTS], { ...env, FORCE_COLOR: '1' });
    expect(stdout).toContain('\u001b[32m\u001b[1myes');
    const plain = stdout.replaceAll(/\u001b\[\d+m/g, '');
    expect(withoutNow(plain)).toBe(withoutNow((await overFiles('explain', 'ci/linux', ARTIFACTS)).stdout));
  });

  test('tells how many events the credentials may not read', async () => {
    const { body } = await signedFetch(`${service.rootUrl}/api/auth/v1/clients/some-auditor`, ROOT, {
      method: 'PUT',
      body: { description: '', expires, scopes: ['authledger:read-history:role/*'] },
    });
    const { stdout, stderr, code } = await runCommand(
      ['history', '--at', positions[7]!, '--root-url', service.rootUrl],
      { TASKCLUSTER_CLIENT_ID: 'some-auditor', TASKCLUSTER_ACCESS_TOKEN: body['accessToken']! },
    );
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'left out: 4 events that these credentials may not read\n',
    });
    expect(stdout.match(/^Role\w+/gm)).toHaveLength(4);
  });

  test('wait until tables are built that a long log lacks, where no service builds them', async () => {
    const lacking = { ...env, DATA_DIR: join(folder, 'lacking') };
    await inStores(lacking, async ({ eventStore }) => {
      const at = new Date().toJSON();
      for (let i = 0; i < 11; i += 1) {
        const events = Array.from({ length: 1000 }, () => ({
          type: i === 0 ? 'RoleCreated' : 'RoleUpdated',
          data: { roleId: 'r', description: '', scopes: ['a'] },
          id: randomUUID(),
        }));
        const append = {
          stream: ROLES_STREAM,
          expectedRevision: i === 0 ? ('none' as const) : 1000 * i - 1,
          events,
        };
        await eventStore.append([append], { actor: 'a', at, requestId: randomUUID() });
      }
    });
    const question = ['show', 'role', 'r', '--at', new Date().toJSON()];
    const { stdout, stderr, code } = await runCommand(question, lacking);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/^waiting: .* is being built/),
    });
    expect(stdout).toMatch(/^role r\n/);
  }, 60_000);

  test('a reader who has had enough ends them quietly', async () => {
    for (const args of [
      ['history', '--content'],
      ['who-can', 'queue:*'],
    ])
      expect(await runIntoHead(args, env)).toMatchObject({ stderr: '', code: 0 });
  });

  test('rejects in one line, with exit code 1', async () => {
    const port = await unusedPort();
    const page = createServer((_, reply) => reply.end('<html>'));
    page.listen(0, '127.0.0.1');
    await once(page, 'listening');
    const elsewhere = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
    const show = ['show', 'client', 'ci/linux', '--root-url'];
    const wrong = { ...credentials, TASKCLUSTER_ACCESS_TOKEN: 'a-wrong-token-0123456789' };
    const rejected = await Promise.all([
      overFiles('explain', 'nobody', 'a'),
      overHttp('explain', 'nobody', 'a'),
      overHttp('show', 'role', HOSTILE),
      overFiles('explain', 'ci/linux', 'no-ascii-\u009b'),
      overHttp('who-can', 'no-ascii-\u009b'),
      overFiles('diff', 'yesterday'),
      overFiles('diff', EARLIER, EARLIER, '--at', EARLIER),
      overFiles('explain', 'ci/linux', 'a', '--at', '2999-01-01T00:00:00Z'),
      overFiles('explain', 'ci/linux', 'a', '--limit', 'x'),
      runCommand([...show, service.rootUrl], wrong),
      runCommand([...show, service.rootUrl], {}),
      runCommand([...show, service.rootUrl], { TASKCLUSTER_CLIENT_ID: 'half' }),
      runCommand([...show, service.rootUrl], { ...credentials, TASKCLUSTER_CERTIFICATE: '{a-secret' }),
      runCommand([...show, `http://127.0.0.1:${port}`], credentials),
      runCommand([...show, elsewhere], credentials),
      runCommand([...show, 'nowhere'], credentials),
    ]);
    page.close();
    for (const each of rejected)
      expect(each).toEqual({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(/^authledger: [\x20-\x7e]+\n$/),
      });
    const reasons = rejected.map(({ stderr }) => stderr);
    expect(reasons.join('')).not.toMatch(/token-of-the-tests|a-wrong-token|a-secret/);
    expect(reasons.slice(3, 11)).toEqual([
      expect.stringMatching(/: SCOPE must be one or more printable ASCII characters\n/),
      expect.stringMatching(/: SCOPE must be one or more/),
      expect.stringMatching(
        /: FROM must be a position of the log, as answers name it, or a date that exists/,
      ),
      expect.stringMatching(/the later moment and --at are the same thing/),
      expect.stringMatching(/: --at must not be in the future/),
      expect.stringMatching(/: --limit must be a whole number from 1 to 100\n/),
      expect.stringMatching(/refused client: [^`*]*\n/),
      expect.stringMatching(
        /refused client: [^`*]* \(asked without credentials: TASKCLUSTER_CLIENT_ID and TASKCLUSTER_ACCESS_TOKEN are not set\)\n/,
      ),
    ]);
    expect(reasons.slice(11)).toEqual([
      expect.stringMatching(/set both, or neither/),
      expect.stringMatching(/TASKCLUSTER_CERTIFICATE/),
      expect.stringMatching(/does not answer/),
      expect.stringMatching(/did not answer client with JSON/),
      expect.stringMatching(/--root-url must be an http or https URL/),
    ]);
  }, 60_000);

  test.each<[string[], RegExp]>([
    [['explain', 'ci/linux', 'a', '--limit', '0'], /: --limit must be a whole number from 1 to 100\n/],
    [
      ['explain', 'ci/linux', '{"Foo":["x"]}'],
      /: SCOPE must be a scope, or an expression in JSON: \{"AllOf"/,
    ],
    [['explain', 'ci/linux', '{"AllOf":["x",{"AnyOf":[1]}]}'], /: SCOPE must be a scope, or an expression/],
    [['explain', 'a b', 'a'], /: CLIENT must be a clientId: 1 to 1000 characters of letters, digits and /],
    [['explain', 'ci/linux', 'a', '--at', '2026-11-24'], /: --at must be a position of the log, as answers/],
    [['explain', 'ci/linux', 'a', '--at', `0123456789ab.${'0'.repeat(20)}`], /: --at must be a position of/],
    [['who-can', ''], /: SCOPE must be one or more printable ASCII characters\n/],
    [['diff', '2999-01-01T00:00:00Z'], /: FROM or TO must not be in the future/],
    [['diff', EARLIER, '2026-11-01T00:00:00Z'], /: FROM is after TO: /],
    [['diff', EARLIER, '--client', 'a b'], /: --client must be a clientId/],
    [['diff', EARLIER, '--scope', ''], /: --scope must be one or more/],
    [['show', 'role', 'ü'], /: ID must be a roleId: 1 to 1000 characters of printable ASCII\n/],
    [['history', '--at', 'nope'], /: --at must be a position of the log, as answers name it, or a date/],
    [['history', '--content', '--after', 'nope'], /: --after must be a position of this log/],
    [
      ['history', '--at', EARLIER, '--after', `0123456789ab.${'0'.repeat(20)}`],
      /: --after must be a position/,
    ],
    [['history', '--type', 'Nope'], /: --type must be one or several of ClientCreated, /],
  ])('%j is refused in the words of the command line', async (args, reason) => {
    const [there, remote] = await Promise.all([overFiles(...args), overHttp(...args)]);
    for (const each of [there, remote]) {
      expect(each).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(/^authledger: [^\n]+\n$/) });
      expect(each.stderr).toMatch(reason);
    }
  });

  test('a refusal for missing scopes names these, in one line', async () => {
    const { body } = await signedFetch(`${service.rootUrl}/api/auth/v1/clients/no-auditor`, ROOT, {
      method: 'PUT',
      body: { description: '', expires, scopes: [] },
    });
    const args = ['who-can', 'a', '--at', EARLIER, '--root-url', service.rootUrl];
    const asNoAuditor = {
      TASKCLUSTER_CLIENT_ID: 'no-auditor',
      TASKCLUSTER_ACCESS_TOKEN: body['accessToken']!,
    };
    expect((await runCommand(args, asNoAuditor)).stderr).toBe(
      `authledger: ${service.rootUrl} refused whoCan: client no-auditor does not have sufficient scopes; it is missing: ` +
        'authledger:who-can, auth:audit-history:client, auth:audit-history:role\n',
    );
  });
});
