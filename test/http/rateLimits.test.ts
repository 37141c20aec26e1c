import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import taskcluster from 'taskcluster-client';
import { rawRequest } from '../rawRequest.ts';
import { authorizationFor, signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';

/** No token is refilled while a test runs. */
const FIVE = '5/3600s';

let service: TestService;
let one: Credentials;
let other: Credentials;
const settings = { TRUST_PROXY: 'true', RATE_LIMIT: FIVE };

async function start(env: Record<string, string>): Promise<void> {
  service = await startService({ TRUST_PROXY: 'true', RATE_LIMIT: 'off' });
  [one, other] = (await Promise.all(
    ['one', 'other'].map(async (clientId) => {
      const scopes = ['auth:current-scopes', 'auth:create-client:lent', 'assume:*'];
      const made = { description: '', expires: minutesFromNow(60), scopes };
      const { accessToken } = await service.current()['createClient']!(clientId, made);
      return { clientId, accessToken } as Credentials;
    }),
  )) as [Credentials, Credentials];
  service = await service.restart(env);
}
afterEach(() => service.remove());

const at = (path: string): string => `${service.rootUrl}/api/auth/v1${path}`;
const ask = (credentials: Credentials) => signedFetch(at('/scopes/current'), credentials);
const from = (address: string, path = '/scopes/current', headers = {}) =>
  rawRequest(at(path), { headers: { 'x-forwarded-for': address, ...headers } });

async function times<T>(count: number, run: () => Promise<{ status: number } & T>): Promise<number[]> {
  const statuses = [];
  for (let i = 0; i < count; i += 1) statuses.push((await run()).status);
  return statuses;
}

describe('requests', () => {
  beforeEach(() => start(settings));

  test('beyond the quota of their signer are 429, and say which limit that is and when to come again', async () => {
    const authorization = (): string => authorizationFor(at('/scopes/current'), 'GET', one);
    const signed = () => rawRequest(at('/scopes/current'), { headers: { authorization: authorization() } });
    expect(await times(5, signed)).toEqual([200, 200, 200, 200, 200]);
    const refused = await signed();
    expect(refused).toMatchObject({
      status: 429,
      headers: {
        'retry-after': '720',
        'ratelimit-policy': '"default";q=5;w=3600',
        ratelimit: '"default";r=0;t=720',
      },
      body: {
        code: 'TooManyRequests',
        message: expect.stringContaining('RATE_LIMIT'),
        details: { retryAfter: 720 },
      },
    });
    expect((await ask(other)).status).toBe(200);
  });

  test('within the quota say nothing of it', async () => {
    const { headers } = await from('10.0.0.1', '/scopes/current');
    expect(Object.keys(headers).filter((name) => /ratelimit|retry-after/.test(name))).toEqual([]);
  });

  test('of temporary credentials count for who issued them', async () => {
    const lent = (clientId: string | undefined): Credentials =>
      taskcluster.createTemporaryCredentials({
        ...(clientId !== undefined && { clientId }),
        start: new Date(Date.now() - 60_000),
        expiry: new Date(Date.now() + 600_000),
        scopes: ['auth:current-scopes'],
        credentials: one,
      });
    for (let i = 0; i < 5; i += 1)
      await service.current(lent(i % 2 ? 'lent' : undefined))['currentScopes']!();
    for (const credentials of [lent('lent'), lent(undefined), one])
      await expect(service.current(credentials)['currentScopes']!()).rejects.toMatchObject({
        statusCode: 429,
      });
    expect((await ask(other)).status).toBe(200);
  });

  test('that claim to be of a client and are not leave its quota alone, and use up their own address', async () => {
    const forged = { clientId: one.clientId, accessToken: 'not-the-token-of-this-client' };
    const guess = () =>
      from('10.0.0.1', '/scopes/current', {
        authorization: authorizationFor(at('/scopes/current'), 'GET', forged),
      });
    expect(await times(7, guess)).toEqual([401, 401, 401, 401, 401, 429, 429]);
    expect((await ask(one)).status).toBe(200);
    expect((await from('10.0.0.1')).status).toBe(429);
    expect((await from('10.0.0.2')).status).toBe(403);
  });

  test('of a whole /64 are those of one caller', async () => {
    let last = 0;
    expect(await times(7, () => from(`2001:db8::${(last += 1)}`))).toEqual([
      403, 403, 403, 403, 403, 429, 429,
    ]);
    expect((await from('2001:db8:0:1::1')).status).toBe(403);
  });

  test('of load balancers and of authenticateHawk are not counted', async () => {
    const asked = JSON.stringify({ method: 'get', resource: '/', host: 'x', port: 80 });
    const authenticate = () =>
      rawRequest(at('/authenticate-hawk'), {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': '10.0.0.1' },
        body: asked,
      });
    expect(new Set(await times(20, authenticate))).toEqual(new Set([200]));
    for (const path of ['/ping', '/__lbheartbeat__', '/__heartbeat__', '/__version__'])
      expect(new Set(await times(7, () => from('10.0.0.1', path)))).toEqual(new Set([200]));
  });
});

describe('authenticateHawk', () => {
  const authenticate = (address: string) =>
    rawRequest(at('/authenticate-hawk'), {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': address },
      body: JSON.stringify({ method: 'get', resource: '/', host: 'x', port: 80 }),
    });

  test('has a quota of its own for each address where one is set, but for trusted ones', async () => {
    await start({
      ...settings,
      RATE_LIMIT_AUTHENTICATE: '3/3600s',
      TRUSTED_ADDRESSES: '10.1.0.0/16, 2001:db8::/32',
    });
    expect(await times(5, () => authenticate('10.0.0.1'))).toEqual([200, 200, 200, 429, 429]);
    expect((await authenticate('10.0.0.1')).headers['ratelimit-policy']).toBe('"authenticate";q=3;w=3600');
    expect((await authenticate('10.0.0.1')).body.message).toContain('RATE_LIMIT_AUTHENTICATE');
    for (const address of ['10.1.2.3', '2001:db8::1'])
      expect(new Set(await times(10, () => authenticate(address)))).toEqual(new Set([200]));
    expect((await from('10.0.0.1')).status).toBe(403);
  });
});

test("by default, nobody who does a whole deployment's work at once meets a limit", async () => {
  service = await startService();
  const role = (i: number) =>
    signedFetch(at(`/roles/role-${i}`), ROOT, {
      method: 'PUT',
      body: { description: '', scopes: [`a:${i}`] },
    });
  for (let i = 0; i < 500; i += 50) {
    const replies = await Promise.all(Array.from({ length: 50 }, (_, j) => role(i + j)));
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
  }
});
