import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { readServiceSetting } from '../../src/config/serviceSettings.ts';
import { github } from '../../src/services/github.ts';
import { signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';
import { expectToGiveUp } from './givesUp.ts';
import { type Asked, type DoubleAnswer, type HttpDouble, startHttpDouble } from './httpDouble.ts';
import { issued } from './issued.ts';

const token = 'ghs_canary_token';
const expiresAt = '2040-01-01T00:00:00Z';
const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const { privateKey: ecKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const ORG = 'GET /orgs/acme/installation';
const USER = 'GET /users/acme/installation';
const TOKENS = 'POST /app/installations/42/access_tokens';
const none: DoubleAnswer = { status: 404, body: { message: 'canary: Not Found' } };
const installation = (login = 'Acme', more = {}): DoubleAnswer => ({
  body: { id: 42, account: { login }, suspended_at: null, ...more },
});

let hub: HttpDouble;
let service: TestService;
let asked: Asked[] = [];
let answers: Record<string, DoubleAnswer | ((asked: Asked) => DoubleAnswer)>;

/** GitHub's answer: a token for the requested access, which may also read metadata. */
function tokenAsAsked({ body }: Asked): DoubleAnswer {
  const { repositories, permissions } = body as { repositories: string[]; permissions: object };
  return tokenFor(repositories, permissions);
}
const tokenFor = (repositories: string[], permissions: object, more = {}): DoubleAnswer => ({
  status: 201,
  body: {
    token,
    expires_at: expiresAt,
    permissions: { metadata: 'read', ...permissions },
    repository_selection: 'selected',
    repositories: repositories.map((name) => ({ name, full_name: `Acme/${name.toUpperCase()}` })),
    ...more,
  },
});

const wanted = { repositories: ['site'], permissions: { contents: 'read' } };
const ask = (body: object = wanted, credentials: Credentials = ROOT, path = 'ci/Acme') =>
  signedFetch(`${service.rootUrl}/api/auth/v1/github/${path}/repo-token`, credentials, {
    method: 'POST',
    body,
  });
const client = async (clientId: string, scopes: string[]): Promise<Credentials> => {
  const settings = { description: '', expires: minutesFromNow(60), scopes };
  const { accessToken } = await service.current()['createClient']!(clientId, settings);
  return { clientId, accessToken };
};
const detailsOf = ({ body }: { body: object }) => (body as { details: Record<string, unknown> }).details;
const routesAsked = (): string[] => asked.map(({ method, path }) => `${method} ${path}`);

beforeAll(async () => {
  hub = await startHttpDouble((each) => {
    asked.push(each);
    const answer = answers[`${each.method} ${each.path}`] ?? none;
    return typeof answer === 'function' ? answer(each) : answer;
  });
  const app = { appId: 123, privateKey, apiUrl: hub.url };
  service = await startService({ GITHUB_APPS: JSON.stringify({ ci: app, 'other-app': app }) });
});
beforeEach(async () => {
  // A 404 evicts the installations that earlier tests cached.
  answers = {};
  await ask();
  asked = [];
  answers = { [ORG]: installation(), [TOKENS]: tokenAsAsked };
});
afterAll(async () => {
  await service.remove();
  hub.stop();
});

describe('githubRepoToken', () => {
  test('gives a token for as long as GitHub says, and records for which repositories and permissions', async () => {
    const scopes = ['site', 'docs'].flatMap((repo) =>
      ['contents:write', 'issues:read'].map((level) => `auth:github-repo-token:ci/acme/${repo}:${level}`),
    );
    const caller = await client('github/one', scopes);
    const body = {
      repositories: ['Site', 'docs', 'site'],
      permissions: { issues: 'read', contents: 'write' },
    };
    const reply = await ask(body, caller, 'ci/ACME');
    const expires = new Date(expiresAt).toJSON();
    expect(reply).toEqual({ status: 200, body: { token, expires } });
    const [event] = (await issued(service, 'github')).slice(-1);
    expect(event!.data).toEqual({
      service: 'github',
      target: 'ci/acme/docs,site',
      level: 'contents:write,issues:read',
      expires,
    });
    expect(event!.metadata.actor).toBe('github/one');
    expect(JSON.stringify(event)).not.toContain('canary');
  });

  test('asks as the app for its installation, and for a token of just what was wanted', async () => {
    await ask({ repositories: ['Site', 'site', 'docs'], permissions: { contents: 'read' } });
    expect(routesAsked()).toEqual([ORG, TOKENS]);
    expect(asked[1]!.body).toEqual({ repositories: ['docs', 'site'], permissions: { contents: 'read' } });
    for (const { headers } of asked) {
      const assertion = headers.authorization!.replace(/^bearer /i, '');
      const { iss, iat, exp } = jwt.verify(assertion, publicKey, {
        algorithms: ['RS256'],
      }) as jwt.JwtPayload;
      expect(iss).toBe(123);
      expect(exp! - iat!).toBeLessThanOrEqual(10 * 60);
      expect(headers['x-github-api-version']).toBe('2022-11-28');
    }
  });

  test('makes a token for each request, also for the same at the same time', async () => {
    let made = 0;
    answers[TOKENS] = (each) => {
      made += 1;
      return tokenFor(['site'], (each.body as typeof wanted).permissions, { token: `${token}${made}` });
    };
    const replies = await Promise.all([ask(), ask(), ask()]);
    expect(new Set(replies.map(({ body }) => body['token'])).size).toBe(3);
  });

  test('looks an installation up once an hour, for each app and owner', async () => {
    answers['GET /orgs/other/installation'] = installation('other', { id: 7 });
    answers['POST /app/installations/7/access_tokens'] = tokenFor([], wanted.permissions);
    const app = { appId: 1, privateKey, apiUrl: hub.url };
    const client = await github.open({ ci: app, two: app });
    const { issue } = github.endpoints[0] as unknown as {
      issue(client: unknown, request: object): Promise<object>;
    };
    const start = Date.parse('2030-01-01T00:00:00Z');
    const looksUp = async (appName: string, owner: string, minutes: number): Promise<boolean> => {
      asked = [];
      const now = new Date(start + minutes * 60_000);
      await issue(client, {
        params: { appName, owner },
        body: wanted,
        now,
        signal: new AbortController().signal,
      });
      return asked.length > 1;
    };
    expect(await looksUp('ci', 'acme', 0)).toBe(true);
    expect(await looksUp('ci', 'Acme', 59)).toBe(false);
    expect(await looksUp('ci', 'other', 59)).toBe(true);
    expect(await looksUp('two', 'acme', 59)).toBe(true);
    expect(await looksUp('ci', 'acme', 60)).toBe(true);
    expect(await looksUp('ci', 'acme', 119)).toBe(false);
    expect(routesAsked()).toEqual([TOKENS]);
  });

  test.each<[string, DoubleAnswer]>([
    ['is gone', none],
    ['is suspended', { status: 403, body: { message: 'canary: suspended' } }],
    [
      'has an owner of another name',
      tokenFor([], wanted.permissions, { repositories: [{ full_name: 'newer/site' }] }),
    ],
  ])('looks an installation up again when it %s', async (_, outdated) => {
    expect((await ask()).status).toBe(200);
    asked = [];
    answers[TOKENS] = outdated;
    answers[ORG] = installation('Acme', { id: 43 });
    answers['POST /app/installations/43/access_tokens'] = tokenAsAsked;
    for (const _ of [1, 2]) expect((await ask()).status).toBe(200);
    const newer = 'POST /app/installations/43/access_tokens';
    expect(routesAsked()).toEqual([TOKENS, ORG, newer, newer]);
  });

  test.each<[string, DoubleAnswer, DoubleAnswer, string]>([
    ['is gone', none, none, 'ResourceNotFound'],
    ['is suspended', { status: 403 }, installation('Acme', { suspended_at: expiresAt }), 'ResourceNotFound'],
    ['has an owner of another name', none, installation('Newer'), 'InputError'],
  ])('says so when an installation that it knew %s', async (_, given, lookedUp, code) => {
    expect((await ask()).status).toBe(200);
    Object.assign(answers, { [TOKENS]: given, [ORG]: lookedUp });
    for (const _ of [1, 2]) expect((await ask()).body.code).toBe(code);
  });

  test('does not look an installation up again when GitHub takes no more requests, or refuses what is wanted', async () => {
    await ask();
    for (const status of [422, 429, 500]) {
      asked = [];
      answers[TOKENS] = { status };
      await ask();
      expect(routesAsked()).toEqual([TOKENS]);
    }
  });

  test('is also there for repositories of a user', async () => {
    answers[ORG] = none;
    answers[USER] = installation();
    expect((await ask()).status).toBe(200);
    expect(routesAsked()).toEqual([ORG, USER, TOKENS]);
  });

  test.each([
    ['another level', 'ci/acme/site:contents:write'],
    ['another permission', 'ci/acme/site:issues:read'],
    ['another repository', 'ci/acme/docs:contents:read'],
    ['another owner', 'ci/other/site:contents:read'],
    ['another app', 'other-app/acme/site:contents:read'],
    ['capital letters', 'ci/Acme/Site:contents:read'],
  ])('needs the very scope: one for %s does not do', async (what, scope) => {
    const clientId = `github/${what.replaceAll(' ', '-')}`;
    const caller = await client(clientId, [`auth:github-repo-token:${scope}`]);
    const reply = await ask(wanted, caller);
    expect(reply.body.code).toBe('InsufficientScopes');
    expect(detailsOf(reply)['missing']).toEqual(['auth:github-repo-token:ci/acme/site:contents:read']);
    expect(asked).toEqual([]);
  });

  test('needs a scope for each permission on each repository', async () => {
    const have = ['a:contents:read', 'a:issues:write', 'b:contents:read'];
    const scopes = have.map((each) => `auth:github-repo-token:ci/acme/${each}`);
    const caller = await client('github/partly', scopes);
    const body = { repositories: ['a', 'b'], permissions: { contents: 'read', issues: 'write' } };
    const reply = await ask(body, caller);
    expect(detailsOf(reply)['missing']).toEqual(['auth:github-repo-token:ci/acme/b:issues:write']);
  });

  test.each([
    ['no repository', { ...wanted, repositories: [] }],
    ['too many', { ...wanted, repositories: Array.from({ length: 501 }, (_, i) => `r${i}`) }],
    ['a repository that is none', { ...wanted, repositories: ['a/b'] }],
    ['a repository that is a scope', { ...wanted, repositories: ['*'] }],
    ['no permission', { ...wanted, permissions: {} }],
    ['an unknown permission', { ...wanted, permissions: { members: 'read' } }],
    ['an unknown level', { ...wanted, permissions: { contents: 'admin' } }],
  ])('refuses %s', async (_, body) => {
    expect((await ask(body)).body.code).toBe('InputValidationError');
    expect(asked).toEqual([]);
  });

  test('refuses a name that is too long for a repository, instead of naming scopes that are as long', async () => {
    const nobody = await client('github/nobody', []);
    const longest = await ask({ ...wanted, repositories: ['a'.repeat(100)] }, nobody);
    expect(longest.body.code).toBe('InsufficientScopes');
    const reply = await ask({ ...wanted, repositories: ['a'.repeat(101)] }, nobody);
    expect(reply).toMatchObject({ status: 400, body: { code: 'InputError' } });
    expect(reply.body['message']).toContain('at most 100 characters');
    expect(asked).toEqual([]);
  });

  test('refuses what is no owner, and an app that is not configured', async () => {
    for (const owner of ['a.b', '%2e%2e%2fapp', 'a%2fb'])
      expect((await ask(wanted, ROOT, `ci/${owner}`)).body.code).toBe('InvalidRequestArguments');
    for (const app of ['none', 'constructor'])
      expect((await ask(wanted, ROOT, `${app}/acme`)).body.code).toBe('ResourceNotFound');
    expect(asked).toEqual([]);
  });

  test.each<[string, typeof answers, string]>([
    ['knows no installation', { [ORG]: none }, 'ResourceNotFound'],
    ['knows the installation no longer', { [TOKENS]: none }, 'ResourceNotFound'],
    ['has suspended it', { [ORG]: installation('Acme', { suspended_at: expiresAt }) }, 'ResourceNotFound'],
    ['gives no such token', { [TOKENS]: { status: 422, body: { message: 'canary' } } }, 'InputError'],
    ['has another name for the owner', { [ORG]: installation('Newer') }, 'InputError'],
    ['has moved the owner', { [ORG]: { status: 301, headers: { location: '/canary' } } }, 'InputError'],
    ['does not say whose the installation is', { [ORG]: { body: { id: 42, account: null } } }, 'InputError'],
    [
      'says that it is an enterprise’s',
      { [ORG]: { body: { id: 42, account: { slug: 'acme' } } } },
      'InputError',
    ],
    ['has moved the user', { [ORG]: none, [USER]: { status: 301 } }, 'InputError'],
    ['does not know the app', { [ORG]: { status: 401, body: { message: 'canary' } } }, 'BadGateway'],
    ['forbids it', { [TOKENS]: { status: 403, body: { message: 'canary' } } }, 'BadGateway'],
    ['fails', { [TOKENS]: { status: 500, body: { message: 'canary' } } }, 'BadGateway'],
    ['answers with no installation', { [ORG]: { body: 'canary {' } }, 'BadGateway'],
    ['answers with half of one', { [ORG]: { body: { account: { login: 'acme' } } } }, 'BadGateway'],
    ['answers with the other half', { [ORG]: { body: { id: 42 } } }, 'BadGateway'],
    ['sends elsewhere', { [TOKENS]: { status: 307, headers: { location: '/canary' } } }, 'BadGateway'],
    ['answers with no token', { [TOKENS]: tokenFor(['site'], {}, { token: '' }) }, 'BadGateway'],
    [
      'answers with more than is read',
      { [TOKENS]: tokenFor(['site'], wanted.permissions, { more: 'canary'.repeat(1_000_000) }) },
      'BadGateway',
    ],
    ['answers with no date', { [TOKENS]: tokenFor(['site'], {}, { expires_at: 'canary' }) }, 'BadGateway'],
    [
      'answers with a date after the year 9999',
      { [TOKENS]: tokenFor(['site'], {}, { expires_at: '9999-12-31T23:59:59-01:00' }) },
      'BadGateway',
    ],
    ['answers with no JSON', { [TOKENS]: { body: 'canary {' } }, 'BadGateway'],
  ])('says what it means when GitHub %s, and records nothing', async (_, given, code) => {
    const before = await issued(service, 'github');
    Object.assign(answers, given);
    const { body } = await ask();
    expect(body.code).toBe(code);
    expect(JSON.stringify(body)).not.toContain('canary');
    expect(await issued(service, 'github')).toEqual(before);
  });

  const { permissions } = wanted;
  test.each([
    ['another repository', tokenFor(['site', 'docs'], permissions)],
    ['one of another owner', tokenFor([], permissions, { repositories: [{ full_name: 'other/site' }] })],
    ['all repositories', tokenFor(['site'], permissions, { repository_selection: 'all' })],
    ['repositories that it does not name', tokenFor([], permissions, { repositories: undefined })],
    ['another permission', tokenFor(['site'], { ...permissions, issues: 'read' })],
    ['a higher level', tokenFor(['site'], { contents: 'write' })],
    ['permissions that it does not name', tokenFor(['site'], {}, { permissions: undefined })],
    ['more of the metadata', tokenFor(['site'], { ...permissions, metadata: 'write' })],
  ])('never gives a token for more than was wanted, such as %s', async (_, given) => {
    const before = await issued(service, 'github');
    answers[TOKENS] = given;
    const { status, body } = await ask();
    expect({ status, token: body['token'] }).toEqual({ status: 502, token: undefined });
    expect(await issued(service, 'github')).toEqual(before);
  });

  const inAnHour = Math.floor(Date.now() / 1000) + 3600;
  test.each([
    ['403 and its limit', 403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': `${inAnHour}` }, 3600],
    ['429 and its limit', 429, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': `${inAnHour}` }, 3600],
    ['403 and when to try again', 403, { 'retry-after': '120', 'x-ratelimit-remaining': '9' }, 120],
    ['403 and words only', 403, {}, 60],
    ['429 and nothing else', 429, {}, 60],
    ['429 and nonsense', 429, { 'retry-after': 'canary' }, 60],
  ])('says when to try again where GitHub answers with %s', async (_, status, headers, seconds) => {
    const message = 'You have exceeded a secondary rate limit, canary.';
    for (const route of [ORG, TOKENS]) {
      answers = { [ORG]: installation(), [route]: { status, headers, body: { message } } };
      const reply = await ask();
      expect(reply).toMatchObject({ status: 429, body: { code: 'TooManyRequests' } });
      const { retryAfter } = detailsOf(reply) as { retryAfter: number };
      expect(reply.body['message']).toContain(`try again in ${retryAfter} s`);
      expect(Math.abs(retryAfter - seconds)).toBeLessThan(30);
      expect(JSON.stringify(reply)).not.toContain('canary');
    }
  });

  test('stops asking at the signal', async () => {
    answers[TOKENS] = 'never';
    const text = JSON.stringify({ ci: { appId: 'Iv1.abc', privateKey, apiUrl: hub.url } });
    const setting = readServiceSetting('GITHUB_APPS', { text, settingSchema: github.settingSchema });
    const left = hub.left();
    const params = { appName: 'ci', owner: 'acme' };
    await expectToGiveUp(github, setting, { params, body: wanted, waits: hub.waits() });
    await left;
  });

  test('has nothing secret in the log', () => {
    expect(service.logged()).toContain('"status":500');
    expect(service.logged()).not.toContain('canary');
    expect(service.logged()).not.toContain(privateKey.split('\n')[1]);
  });
});

test.each([
  ['no key', { ci: { appId: 1, privateKey: 'MIIE' } }, '{entry 1}.privateKey must match'],
  [
    'a key that is not of RSA',
    { ci: { appId: 1, privateKey }, 'the-other': { appId: 2, privateKey: ecKey } },
    '{entry 2}.privateKey must be the PEM of an RSA private key, not encrypted',
  ],
  ['no id', { ci: { privateKey } }, "{entry 1} must have required property 'appId'"],
  ['a name that scopes cannot have', { 'c/i': { appId: 1, privateKey } }, ' has a name that is not possible'],
])('a setting with %s is refused', (_, setting, problem) => {
  const text = JSON.stringify(setting);
  expect(() => readServiceSetting('GITHUB_APPS', { text, settingSchema: github.settingSchema })).toThrow(
    `GITHUB_APPS${problem}`,
  );
});
