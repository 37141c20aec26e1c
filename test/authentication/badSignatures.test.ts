import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import hawk from 'hawk';
import pino from 'pino';
import taskcluster from 'taskcluster-client';
import { rawRequest, type RawReply } from '../rawRequest.ts';
import { type Credentials, minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';

let service: TestService;
let url: string;
let client: Credentials;
beforeAll(async () => {
  service = await startService();
  url = `${service.rootUrl}/api/auth/v1/scopes/current`;
  const scopes = [
    'auth:current-scopes',
    'x:*',
    'auth:create-client:temporary/*',
    'auth:create-client:static/*',
  ];
  client = {
    clientId: 'signer',
    ...(await service.current()['createClient']!('signer', {
      description: '',
      expires: minutesFromNow(60),
      scopes,
    })),
  };
});
afterAll(() => service.remove());

const credentialsOf = ({ clientId: id, accessToken: key }: Credentials) =>
  ({ id, key, algorithm: 'sha256' }) as const;
const header = (options: object = {}): string =>
  hawk.client.header(url, 'GET', { credentials: credentialsOf(client), ...options }).header;
const ask = (authorization: string, options: Parameters<typeof rawRequest>[1] = {}): Promise<RawReply> =>
  rawRequest(url, { ...options, headers: { authorization, ...options.headers } });

test("good signatures of other services' requests are logged at level debug only, refused ones at info", async () => {
  const judge = (authorization: string): Promise<{ status: string }> =>
    service.current(null)['authenticateHawk']!({
      method: 'get',
      resource: '/api/auth/v1/scopes/current',
      host: '127.0.0.1',
      port: service.port,
      authorization,
    });
  const levelOf = (): string | undefined =>
    /"level":(\d+)[^\n]*"authenticateHawk"[^\n]*\n$/.exec(service.logged())?.[1];
  expect(await judge(header())).toMatchObject({ status: 'auth-success' });
  expect(levelOf()).toBe(String(pino.levels.values['debug']));
  expect(await judge(header({ nonce: 'other' }).replace('other', 'another'))).toMatchObject({
    status: 'auth-failed',
  });
  expect(levelOf()).toBe(String(pino.levels.values['info']));
});

function expectRefused(reply: RawReply, message: RegExp = /./): void {
  expect({ status: reply.status, code: reply.body.code }).toEqual({
    status: 401,
    code: 'AuthenticationFailed',
  });
  expect(reply.headers['www-authenticate']).toBe('hawk');
  expect(reply.body.message).toMatch(message);
  expect(reply.text).not.toContain(client.accessToken);
}

describe('a Hawk header', () => {
  test('that is right is accepted', async () => {
    expect((await ask(header())).status).toBe(200);
  });

  test.each(['id', 'ts', 'nonce', 'mac'])('without %s is refused', async (field) => {
    expectRefused(await ask(header().replace(new RegExp(`${field}="[^"]*",? ?`), '')));
  });

  test.each(['id', 'ts', 'nonce', 'mac'])('with %s twice is refused', async (field) => {
    expectRefused(await ask(header().replace(new RegExp(`(${field}="[^"]*")`), '$1, $1')));
  });

  test.each(['id', 'ts', 'nonce', 'mac', 'ext'])('with a huge %s is refused', async (field) => {
    const given = header({ ext: 'e30=' });
    expectRefused(await ask(given.replace(new RegExp(`${field}="[^"]*"`), `${field}="${'9'.repeat(5000)}"`)));
  });

  test.each(['id', 'ts', 'nonce', 'mac'])('with a %s beyond ASCII is refused', async (field) => {
    expectRefused(await ask(header().replace(new RegExp(`${field}="[^"]*"`), `${field}="\u00e9"`)));
  });

  test.each(['id', 'ts', 'nonce', 'mac'])('with another %s is refused', async (field) => {
    expectRefused(await ask(header().replace(new RegExp(`${field}="(.)[^"]*"`), `${field}="1234"`)));
  });

  test('of another scheme, or of none, is refused', async () => {
    for (const other of ['Basic abc', 'Bearer abc', 'Hawk', 'hawk ', '=', 'Hawk x'])
      expectRefused(await ask(other));
  });

  test('is good for 15 minutes, either way', async () => {
    const at = (minutes: number): string =>
      header({ timestamp: Math.floor(Date.now() / 1000) + minutes * 60 });
    for (const minutes of [-14, 14]) expect((await ask(at(minutes))).status).toBe(200);
    for (const minutes of [-16, 16, -1e6]) expectRefused(await ask(at(minutes)), /Stale timestamp/);
  });

  test('whose time is no number is refused, though its mac is right', async () => {
    expectRefused(await ask(header({ timestamp: 'never' })), /ts/);
  });

  test('is for one method, path, query, host, port and body', async () => {
    const given = header();
    expect((await ask(given, { method: 'HEAD' })).status).toBe(401);
    expectRefused(await ask(given, { method: 'POST', path: '/api/auth/v1/clients/signer/reset' }));
    expectRefused(await ask(given, { path: '/api/auth/v1/clients/signer' }));
    expectRefused(await ask(given, { path: '/v1/scopes/current' }));
    expectRefused(await ask(given, { path: '/api/auth/v1/scopes/current?bewit=' }));
    expectRefused(await ask(given, { headers: { host: 'elsewhere.example.com' } }));
    expectRefused(await ask(given, { headers: { host: '127.0.0.1:1' } }));
    expectRefused(await ask(given, { headers: { host: 'x/y' } }));
    const expand = `${service.rootUrl}/api/auth/v1/scopes/expand`;
    const body = '{"scopes":["a"]}';
    const signed = hawk.client.header(expand, 'POST', {
      credentials: credentialsOf(ROOT),
      payload: body,
      contentType: 'application/json',
    }).header;
    const send = (payload: string) =>
      rawRequest(expand, {
        method: 'POST',
        headers: { authorization: signed, 'content-type': 'application/json' },
        body: payload,
      });
    expect((await send(body)).status).toBe(200);
    expectRefused(await send('{"scopes":["b"]}'), /payload/);
  });

  test('of an unknown, disabled or expired client is refused, saying which', async () => {
    const root = service.current();
    const by = (credentials: Credentials) =>
      ask(hawk.client.header(url, 'GET', { credentials: credentialsOf(credentials) }).header);
    expectRefused(await by({ clientId: 'nobody', accessToken: 'x' }), /not found/);
    expectRefused(await by({ clientId: 'Signer', accessToken: client.accessToken }), /not found/);
    expectRefused(await by({ clientId: 'static/authledger/purge', accessToken: 'x' }), /not found/);
    const made = await root['createClient']!('off', {
      description: '',
      expires: minutesFromNow(60),
      scopes: [],
    });
    await root['disableClient']!('off');
    expectRefused(await by(made), /disabled/);
    const old = await root['createClient']!('old', {
      description: '',
      expires: minutesFromNow(-1),
      scopes: [],
    });
    expectRefused(await by(old), /expired/);
  });
});

describe('a bewit', () => {
  const bewit = (ttlSec = 60, ext?: string): string =>
    hawk.uri.getBewit(url, { credentials: credentialsOf(client), ttlSec, ext });
  const open = (query: string, options: Parameters<typeof rawRequest>[1] = {}): Promise<RawReply> =>
    rawRequest(`${url}?${query}`, options);

  test('that is right is accepted, on GET and HEAD only', async () => {
    const got = await open(`bewit=${bewit()}`);
    expect(got.status).toBe(200);
    const head = await open(`bewit=${bewit()}`, { method: 'HEAD' });
    expect({ ...head, headers: { ...head.headers, date: '' } }).toEqual({
      ...got,
      text: '',
      bytes: Buffer.alloc(0),
      body: {},
      headers: { ...got.headers, date: '' },
    });
    expect((await open(`bewit=${bewit(-10)}`, { method: 'HEAD' })).status).toBe(401);
    const forPost = `${service.rootUrl}/api/auth/v1/clients/signer/disable`;
    const stolen = hawk.uri.getBewit(forPost, { credentials: credentialsOf(ROOT), ttlSec: 60 });
    expectRefused(await rawRequest(`${forPost}?bewit=${stolen}`, { method: 'POST' }), /GET/);
  });

  test("of another service's request is good for GET and HEAD only", async () => {
    const verdictOn = (method: string, credentials: Credentials): Promise<unknown> => {
      const signed = hawk.uri.getBewit('http://other.example.com/a', {
        credentials: credentialsOf(credentials),
        ttlSec: 60,
      });
      const request = { method, resource: `/a?bewit=${signed}`, host: 'other.example.com', port: 80 };
      return service.older(null)['authenticateHawk']!(request);
    };
    for (const method of ['get', 'head']) {
      expect(await verdictOn(method, client)).toMatchObject({ status: 'auth-success', clientId: 'signer' });
      expect(await verdictOn(method, { ...client, accessToken: 'x' })).toMatchObject({ message: 'Bad mac' });
    }
    for (const method of ['post', 'put', 'delete', 'options', 'trace', 'patch', 'connect'])
      expect(await verdictOn(method, client)).toMatchObject({
        status: 'auth-failed',
        message: expect.stringMatching(/GET and HEAD/),
      });
  });

  test('that is empty, malformed, changed, or over is refused', async () => {
    const right = bewit();
    const changed = Buffer.from(
      Buffer.from(right, 'base64url').toString().replace('signer', 'static/root'),
    ).toString('base64url');
    for (const wrong of ['', 'x', '%', right.slice(4), `${right}AAAA`, changed, bewit(-10)])
      expectRefused(await open(`bewit=${wrong}`));
    expectRefused(
      await open(`bewit=${Buffer.from('signer\\never\\mac\\').toString('base64url')}`),
      /malformed/,
    );
  });

  test('together with another, or with a header, is refused', async () => {
    expectRefused(await open(`bewit=${bewit()}&bewit=${bewit()}`), /one bewit/);
    expectRefused(await open(`bewit=${bewit()}`, { headers: { authorization: header() } }), /not both/);
  });

  test('is not shown in errors or logs', async () => {
    const right = bewit(1);
    await service.current()['authenticateHawk']!({
      method: 'get',
      resource: `/x?bewit=${right}`,
      host: 'h',
      port: 1,
    });
    const refused = await rawRequest(`${service.rootUrl}/api/auth/v1/authenticate-hawk`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        method: 'get',
        resource: `/x?bewit=${right}`,
        host: 'h',
        port: 'x',
        authorization: header(),
      }),
    });
    expect(refused.status).toBe(400);
    expect(refused.text).not.toContain(right);
    expect(refused.body.requestInfo!.payload).toMatchObject({ authorization: '(not shown)' });
    expect(service.logged()).not.toContain(right);
  });
});

describe('temporary credentials', () => {
  const seed = 's'.repeat(44);
  const now = Date.now();
  type Parts = Record<string, unknown>;
  /** Temporary credentials whose signature is right for what they say, however wrong that is. */
  function made(change: Parts = {}, { clientId = 'signer' }: { clientId?: string } = {}): Promise<RawReply> {
    const parts: Parts = {
      version: 1,
      scopes: ['auth:current-scopes'],
      start: now - 1000,
      expiry: now + 600_000,
      seed,
      ...change,
    };
    const named =
      parts['issuer'] === undefined ? [] : [`clientId:${clientId}`, `issuer:${String(parts['issuer'])}`];
    const scopes = Array.isArray(parts['scopes']) ? (parts['scopes'] as string[]) : [];
    const lines = [
      'version:1',
      ...named,
      `seed:${String(parts['seed'])}`,
      `start:${String(parts['start'])}`,
      `expiry:${String(parts['expiry'])}`,
      'scopes:',
      ...scopes,
    ];
    const sign = (text: string, encoding: 'base64' | 'base64url') =>
      createHmac('sha256', client.accessToken).update(text).digest(encoding);
    const certificate = { signature: sign(lines.join('\n'), 'base64'), ...parts };
    const ext = Buffer.from(JSON.stringify({ certificate })).toString('base64');
    const key = sign(String(parts['seed']), 'base64url');
    return ask(
      hawk.client.header(url, 'GET', { credentials: { id: clientId, key, algorithm: 'sha256' }, ext }).header,
    );
  }

  test('that are right are accepted', async () => {
    expect((await made()).status).toBe(200);
    expect((await made({ issuer: 'signer' }, { clientId: 'temporary/x' })).status).toBe(200);
  });

  test.each([
    ['version', 2],
    ['version', '1'],
    ['seed', 'short'],
    ['seed', 44],
    ['start', now + 6 * 60_000],
    ['start', 'now'],
    ['start', null],
    ['start', 1e300],
    ['start', -8.64e15],
    ['start', now - 32 * 24 * 3_600_000],
    ['expiry', now - 6 * 60_000],
    ['expiry', '2030'],
    ['expiry', Date.parse('9999-12-31T23:59:59-01:00')],
    ['expiry', 8.64e15],
    ['expiry', 1e300],
    ['scopes', 'x:y'],
    ['scopes', ['y']],
    ['scopes', ['\u00e9']],
    ['scopes', [1]],
    ['scopes', undefined],
    ['signature', 'wrong'],
    ['signature', 7],
    ['signature', undefined],
    ['clientId', 'signer'],
    ['issuer', 5],
    ['issuer', 'signer'],
    ['issuer', ''],
  ])('whose %s is %j are refused', async (field, value) => {
    expectRefused(await made({ [field]: value }));
  });

  test.each(['other/name', 'static/authledger/purge', 'temporary/ x', `temporary/${'x'.repeat(1000)}`])(
    'named %s are refused',
    async (clientId) => {
      expectRefused(await made({ issuer: 'signer' }, { clientId }));
    },
  );

  test('whose certificate was changed after it was signed are refused', async () => {
    const credentials = taskcluster.createTemporaryCredentials({
      scopes: ['auth:current-scopes'],
      start: new Date(),
      expiry: new Date(now + 60_000),
      credentials: client,
    });
    const certificate = JSON.parse(credentials.certificate as string) as Parts;
    for (const change of [{ scopes: ['x:y', 'auth:current-scopes'] }, { expiry: now + 120_000 }, { seed }]) {
      const ext = Buffer.from(JSON.stringify({ certificate: { ...certificate, ...change } })).toString(
        'base64',
      );
      expectRefused(
        await ask(hawk.client.header(url, 'GET', { credentials: credentialsOf(credentials), ext }).header),
      );
    }
  });

  test('end with the token of their issuer', async () => {
    const credentials = taskcluster.createTemporaryCredentials({
      scopes: ['auth:current-scopes'],
      start: new Date(),
      expiry: new Date(now + 60_000),
      credentials: client,
    });
    const itself = service.current(credentials);
    await itself['currentScopes']!();
    client = { clientId: 'signer', ...(await service.current()['resetAccessToken']!('signer')) };
    await expect(itself['currentScopes']!()).rejects.toMatchObject({ statusCode: 401 });
  });
});

describe('ext', () => {
  const withExt = (ext: string): Promise<RawReply> => ask(header({ ext }));
  const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');

  test.each([
    'x',
    encoded([]),
    encoded('x'),
    encoded(null),
    encoded({ certificate: 1 }),
    encoded({ certificate: [] }),
  ])('%s is refused', async (ext) => {
    expectRefused(await withExt(ext));
  });

  test.each([['x'], [{}], [[1]], [['\u00e9']], [['y']], [['*']]])(
    'authorizedScopes %j are refused',
    async (authorizedScopes) => {
      expectRefused(await withExt(encoded({ authorizedScopes })));
    },
  );

  test('authorizedScopes that are not held are shown as they are, also by what shows Markdown', async () => {
    const reply = await withExt(encoded({ authorizedScopes: ['auth:current-scopes', '_y*_*', 'z'] }));
    expectRefused(reply, /these scopes of ext.authorizedScopes:\n\n```\n_y\*_\*\nz\n```\n\n---/);
  });

  test('authorizedScopes that are held limit the request', async () => {
    const reply = await withExt(encoded({ authorizedScopes: ['auth:current-scopes'] }));
    expect(JSON.parse(reply.text)).toEqual({ scopes: ['assume:anonymous', 'auth:current-scopes'] });
    expect((await withExt(encoded({ authorizedScopes: [] }))).status).toBe(403);
  });
});

describe('behind a proxy', () => {
  test('the port that it tells is believed only from a trusted one', async () => {
    const forwarded = (rootUrl: string, headers: Record<string, string>): Promise<RawReply> => {
      const elsewhere = 'https://auth.example.com/api/auth/v1/scopes/current';
      const authorization = hawk.client.header(elsewhere, 'GET', { credentials: credentialsOf(ROOT) }).header;
      return rawRequest(`${rootUrl}/api/auth/v1/scopes/current`, {
        headers: { authorization, host: 'auth.example.com', ...headers },
      });
    };
    const trusting = await startService({ TRUST_PROXY: 'loopback' });
    try {
      for (const headers of [{ 'x-forwarded-proto': 'https' }, { 'x-forwarded-port': '443' }] as Record<
        string,
        string
      >[]) {
        expect((await forwarded(trusting.rootUrl, headers)).status).toBe(200);
        expectRefused(await forwarded(service.rootUrl, headers));
      }
      expectRefused(
        await forwarded(trusting.rootUrl, { 'x-forwarded-port': '80', 'x-forwarded-proto': 'https' }),
      );
    } finally {
      await trusting.remove();
    }
  });
});
