import { networkInterfaces } from 'node:os';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import hawk from 'hawk';
import taskcluster from 'taskcluster-client';
import { rawRequest } from '../rawRequest.ts';
import { type Credentials, ROOT, startService, type TestService } from '../startService.ts';

type MakeTemporary = (options: object) => Credentials;
const older = createRequire(import.meta.url)('taskcluster-client-3') as {
  createTemporaryCredentials: MakeTemporary;
};

/** Also where a test must not be skipped. */
const hasIpv6 =
  process.env['NO_TEST_SKIP'] === '1' ||
  Object.values(networkInterfaces()).some((each) => each!.some(({ address }) => address === '::1'));
const describeWithIpv6 = hasIpv6 ? describe : describe.skip;

describeWithIpv6('at an IPv6 literal (skipped where the machine has none)', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService({ HOST: '::1' });
  });
  afterAll(() => service.remove());

  test('the address is one', () => {
    expect(service.rootUrl).toBe(`http://[::1]:${service.port}`);
  });

  test.each([
    ['current', taskcluster.createTemporaryCredentials],
    ['older', older.createTemporaryCredentials],
  ] as const)('the %s official client signs with credentials of each kind', async (dialect, temporary) => {
    const times = { start: new Date(), expiry: new Date(Date.now() + 600_000) };
    const scopes = ['auth:current-scopes', 'a'];
    const limited = { authorizedScopes: ['auth:current-scopes'] };
    const made = temporary({ ...times, scopes, credentials: ROOT });
    const named = temporary({ ...times, scopes, credentials: ROOT, clientId: 'some/name' });
    for (const [credentials, options, count] of [
      [ROOT, {}, 1],
      [ROOT, limited, 2],
      [made, {}, 3],
      [made, limited, 2],
      [named, {}, 3],
    ] as const) {
      const auth = service[dialect](credentials, options);
      expect((await auth['currentScopes']!()).scopes).toHaveLength(count);
      const signing = auth as unknown as { buildSignedUrl(...args: unknown[]): string | Promise<string> };
      const url = await signing.buildSignedUrl(auth['currentScopes']);
      for (const method of ['GET', 'HEAD'])
        expect({ url, status: (await rawRequest(url, { method })).status }).toEqual({ url, status: 200 });
    }
    const wrong = service[dialect]({ ...ROOT, accessToken: 'x' });
    await expect(wrong['currentScopes']!()).rejects.toMatchObject({ statusCode: 401 });
  });

  test('a signature is good for this address only, with or without its brackets', async () => {
    const path = '/v1/scopes/current';
    for (const [host, status] of [
      ['::1', 200],
      ['[::1]', 200],
      ['::2', 401],
      ['[::2]', 401],
      ['[[::1]]', 401],
      ['', 401],
    ] as const) {
      const authorization = headerFor({ host, port: service.port, path });
      const reply = await rawRequest(service.rootUrl + path, { headers: { authorization } });
      expect({ host, status: reply.status }).toEqual({ host, status });
    }
  });
});

const credentials = { key: ROOT.accessToken, algorithm: 'sha256' } as const;
type Signed = { host: string; port: number; path: string };

function headerFor({ host, port, path }: Signed): string {
  const ts = String(Math.floor(Date.now() / 1000));
  const signed = { ts, nonce: 'n', method: 'GET', resource: path, host, port };
  const mac = hawk.crypto.calculateMac('header', credentials, signed);
  return `Hawk id="${ROOT.clientId}", ts="${ts}", nonce="n", mac="${mac}"`;
}

function bewitFor({ host, port, path }: Signed): string {
  const ts = String(Math.floor(Date.now() / 1000) + 60);
  const signed = { ts, nonce: '', method: 'GET', resource: path, host, port };
  const mac = hawk.crypto.calculateMac('bewit', credentials, signed);
  return Buffer.from(`${ROOT.clientId}\\${ts}\\${mac}\\`).toString('base64url');
}

describe("authenticateHawk of another service's request to an IPv6 literal", () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.remove());

  const address = '2001:db8::a';
  const forms = [address, `[${address}]`];
  const judge = (dialect: 'current' | 'older', request: object): Promise<unknown> =>
    service[dialect](null)['authenticateHawk']!({ method: 'get', port: 443, ...request });
  const success = { status: 'auth-success', clientId: ROOT.clientId };

  test.each(['current', 'older'] as const)('knows it with and without brackets at %s', async (dialect) => {
    for (const host of forms) {
      for (const form of forms) {
        const signed = { host: form, port: 443, path: '/a' };
        const authorization = headerFor(signed);
        const given = { host, resource: '/a' };
        expect(await judge(dialect, { ...given, authorization })).toMatchObject(success);
        const inAnotherWay = authorization.replace('Hawk ', 'hawk ');
        expect(await judge(dialect, { ...given, authorization: inAnotherWay })).toMatchObject(success);
        const resource = `/a?bewit=${bewitFor(signed)}`;
        expect(await judge(dialect, { host, resource })).toMatchObject(success);
        for (const other of ['2001:db8::b', 'example.com', '127.0.0.1'])
          expect(await judge(dialect, { host: other, resource: '/a', authorization })).toMatchObject({
            status: 'auth-failed',
            message: 'Bad mac',
          });
      }
    }
  });

  test.each(['current', 'older'] as const)('refuses what is no host at %s', async (dialect) => {
    for (const host of [
      '[2001:db8::a',
      '2001:db8::a]',
      '[[::1]]',
      ':::',
      '[127.0.0.1]',
      'a:80',
      '::1\n',
      'a b',
      '[]',
    ])
      await expect(judge(dialect, { host, resource: '/a' })).rejects.toMatchObject({
        code: 'InputValidationError',
      });
  });
});
