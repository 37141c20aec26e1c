import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import hawk from 'hawk';
import { authorizationFor, signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, startService, type TestService } from '../startService.ts';

let service: TestService;
let guarded: TestService;
const tokens: Record<string, string> = {};
beforeAll(async () => {
  service = await startService({ READ_ACCESS: 'guarded' });
  guarded = service;
  const root = service.current();
  const settings = { description: '', expires: minutesFromNow(60), scopes: ['held'] };
  for (const [clientId, more] of Object.entries({
    'is/there': {},
    'is/disabled': {},
    'is/expired': { expires: minutesFromNow(-1) },
    'is/nobody': { scopes: [] },
    'is/updater': { scopes: ['auth:update-client:is/there', 'auth:update-role:is/role'] },
  }))
    tokens[clientId] = (await root['createClient']!(clientId, { ...settings, ...more }))
      .accessToken as string;
  await root['disableClient']!('is/disabled');
  await root['createRole']!('is/role', { description: '', scopes: ['held'] });
});
afterAll(() => service.remove());

const by = (clientId: string): Credentials => ({ clientId, accessToken: tokens[clientId]! });

const client = { description: '', expires: '2090-01-01T00:00:00Z', scopes: ['held', 'guessed'] };
const role = { description: '', scopes: ['held', 'guessed'] };
const METHODS = [
  ['PUT', '/clients/<id>', client, 'auth:create-client:<id>'],
  ['POST', '/clients/<id>', client, 'auth:update-client:<id>'],
  ['POST', '/clients/<id>/reset', undefined, 'auth:reset-access-token:<id>'],
  ['POST', '/clients/<id>/enable', undefined, 'auth:enable-client:<id>'],
  ['POST', '/clients/<id>/disable', undefined, 'auth:disable-client:<id>'],
  ['DELETE', '/clients/<id>', undefined, 'auth:delete-client:<id>'],
  ['GET', '/clients/<id>', undefined, 'auth:get-client:<id>'],
  ['PUT', '/roles/<id>', role, 'auth:create-role:<id>'],
  ['POST', '/roles/<id>', role, 'auth:update-role:<id>'],
  ['DELETE', '/roles/<id>', undefined, 'auth:delete-role:<id>'],
  ['GET', '/roles/<id>', undefined, 'auth:get-role:<id>'],
] as const;

/** Asks for something, unsigned where there are no credentials. */
async function ask(method: string, path: string, more: { body?: object; credentials?: Credentials }) {
  const url = service.rootUrl + path;
  const { body, credentials } = more;
  const reply = await fetch(url, {
    method,
    body: body && JSON.stringify(body),
    headers: {
      'content-type': 'application/json',
      ...(credentials && { authorization: authorizationFor(url, method, credentials) }),
    },
  });
  const text = await reply.text();
  return { status: reply.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> };
}

describe('with READ_ACCESS=guarded, without the scope that the URL alone asks for', () => {
  test.each(METHODS)(
    '%s %s is the same 403 with that scope only, whatever is there',
    async (method, route, body, scope) => {
      for (const prefix of ['/v1', '/api/auth/v1'])
        for (const id of ['is/there', 'is/role', 'not/there', 'static/root', 'a**'])
          for (const credentials of [undefined, by('is/nobody')]) {
            if (id.endsWith('*') && route.startsWith('/clients')) continue;
            const path = prefix + route.replace('<id>', encodeURIComponent(id));
            const needed = scope.replace('<id>', id);
            const { status, body: refusal } = await ask(method, path, { body, credentials });
            expect({ status, details: refusal['details'] }).toEqual({
              status: 403,
              details: {
                clientId: credentials?.clientId ?? 'anonymous',
                missing: [needed],
                required: needed,
              },
            });
          }
    },
  );

  test('with that scope, the other scopes are asked for as published', async () => {
    for (const [path, body] of [
      ['/clients/is%2Fthere', client],
      ['/roles/is%2Frole', role],
    ] as const) {
      const refused = await ask('POST', `/api/auth/v1${path}`, { body, credentials: by('is/updater') });
      expect(refused).toMatchObject({ status: 403, body: { details: { missing: ['guessed'] } } });
    }
    const { status } = await ask('POST', '/api/auth/v1/clients/not%2Fthere', {
      body: client,
      credentials: service.root,
    });
    expect(status).toBe(404);
  });
});

type Forged = { clientId: string; token: string; ext?: object };

/** What authenticateHawk says of a signature, and what a request to this service with it is answered. */
async function said({ clientId, token, ext }: Forged): Promise<{ told: string; answered: string }> {
  const credentials = { id: clientId, key: token, algorithm: 'sha256' as const };
  const encoded = ext && { ext: Buffer.from(JSON.stringify(ext)).toString('base64') };
  const elsewhere = hawk.client.header('http://h/', 'GET', { credentials, ...encoded }).header;
  const verdict = await ask('POST', '/v1/authenticate-hawk', {
    body: { method: 'get', resource: '/', host: 'h', port: 80, authorization: elsewhere },
  });
  const url = `${service.rootUrl}/api/auth/v1/scopes/current`;
  const { header: authorization } = hawk.client.header(url, 'GET', { credentials, ...encoded });
  const reply = (await (await fetch(url, { headers: { authorization } })).json()) as { message?: string };
  return {
    told: (verdict.body['message'] ?? verdict.body['status']) as string,
    answered: (reply.message ?? 'auth-success').split('\n\n---')[0]!,
  };
}

/** A certificate for `<issuer>`'s own id, or for a name. */
function lent(issuer: string, { token, name }: { token: string; name?: string }): Forged {
  const seed = 's'.repeat(44);
  const [start, expiry] = [Date.now() - 60_000, Date.now() + 60_000];
  const named = name === undefined ? [] : [`clientId:${name}`, `issuer:${issuer}`];
  const lines = ['version:1', ...named, `seed:${seed}`, `start:${start}`, `expiry:${expiry}`, 'scopes:', 'x'];
  const hmac = (text: string) => createHmac('sha256', token).update(text);
  const certificate = {
    version: 1,
    seed,
    start,
    expiry,
    scopes: ['x'],
    signature: hmac(lines.join('\n')).digest('base64'),
    ...(name !== undefined && { issuer }),
  };
  return { clientId: name ?? issuer, token: hmac(seed).digest('base64url'), ext: { certificate } };
}

describe('with READ_ACCESS=guarded, who is not a client', () => {
  const wrong = 'w'.repeat(44);
  const OTHERS = ['is/there', 'is/disabled', 'is/expired', 'not/there', 'static/authledger/cli'];

  test.each(OTHERS)('is told `Bad mac` of %s, by whatever signature', async (id) => {
    const bad = { told: 'Bad mac', answered: 'Bad mac' };
    expect(await said({ clientId: id, token: wrong })).toEqual(bad);
    for (const name of [undefined, 'lent']) expect(await said(lent(id, { token: wrong, name }))).toEqual(bad);
    const forged = lent(id, { token: wrong, name: 'lent' });
    (forged.ext as { certificate: { issuer: string } }).certificate.issuer = 'is/there';
    expect(await said(forged)).toEqual(bad);
    const bewit = hawk.uri.getBewit(`${service.rootUrl}/v1/scopes/current`, {
      credentials: { id, key: wrong, algorithm: 'sha256' },
      ttlSec: 60,
    });
    const { status, body } = await ask('GET', `/v1/scopes/current?bewit=${bewit}`, {});
    expect({ status, message: (body['message'] as string).split('\n')[0] }).toEqual({
      status: 401,
      message: 'Bad mac',
    });
  });

  test.each([
    ['is/disabled', /is disabled/],
    ['is/expired', /has expired/],
  ])('learns no more of %s than its holder, who is told why', async (id, reason) => {
    const token = tokens[id]!;
    for (const forged of [{ clientId: id, token }, lent(id, { token }), lent(id, { token, name: 'lent' })]) {
      const { told, answered } = await said(forged);
      expect(told).toMatch(reason);
      expect(answered).toMatch(reason);
    }
  });

  test('is told that a certificate was changed where the signature is a good one', async () => {
    const changed = lent('is/there', { token: tokens['is/there']! });
    (changed.ext as { certificate: { scopes: string[] } }).certificate.scopes = ['y'];
    expect((await said(changed)).told).toMatch(/certificate.signature is not valid/);
  });

  test('cannot tell that another token counts now', async () => {
    const former = tokens['is/there']!;
    expect((await said({ clientId: 'is/there', token: former })).told).toBe('auth-success');
    tokens['is/there'] = (await service.current()['resetAccessToken']!('is/there')).accessToken as string;
    expect((await said({ clientId: 'is/there', token: former })).told).toBe('Bad mac');
    expect((await said({ clientId: 'is/there', token: tokens['is/there'] })).told).toBe('auth-success');
  });
});

test.each([undefined, 'published', 'open'])(
  'with READ_ACCESS=%s, all of it stays as published',
  async (access) => {
    service = await startService(access === undefined ? {} : { READ_ACCESS: access });
    try {
      for (const path of ['/clients/not%2Fthere', '/roles/not%2Fthere']) {
        const body = path.startsWith('/clients') ? client : role;
        expect((await ask('POST', `/api/auth/v1${path}`, { body })).status).toBe(404);
      }
      const { told } = await said({ clientId: 'not/there', token: 'w'.repeat(44) });
      expect(told).toBe('client not/there not found');
      const nobody = { clientId: 'not/there', accessToken: 'w'.repeat(44) };
      const { body } = await signedFetch(`${service.rootUrl}/api/auth/v1/scopes/current`, nobody);
      expect(body['message']).toContain('not found');
      const roles = await Promise.all(
        ['/v1', '/api/auth/v1'].map((prefix) => ask('GET', `${prefix}/roles`, {})),
      );
      expect(roles.map(({ status }) => status)).toEqual(access === 'open' ? [200, 200] : [200, 403]);
    } finally {
      await service.remove();
      service = guarded;
    }
  },
);
