import { afterEach, describe, expect, test } from '@jest/globals';
import hawk from 'hawk';
import taskcluster from 'taskcluster-client';
import { rawRequest } from '../rawRequest.ts';
import { signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';

let service: TestService;
afterEach(() => service.remove());

const at = (path: string): string => `${service.rootUrl}/api/auth/v1${path}`;
const role = (scopes: string[] = []): string => JSON.stringify({ description: '', scopes });

type Signing = {
  method?: string;
  body?: string;
  host?: string;
  nonce?: string;
  hashed?: boolean;
  by?: Credentials;
};

/** A request that is signed for `host`, with a hash of its body where it is `hashed`; sent as often as it is to be. */
function signed(path: string, { method = 'GET', body, host, nonce, hashed, by = ROOT }: Signing = {}) {
  const { host: own } = new URL(service.rootUrl);
  const { header: authorization } = hawk.client.header(at(path).replace(own, host ?? own), method, {
    credentials: { id: by.clientId, key: by.accessToken, algorithm: 'sha256' },
    ...(nonce !== undefined && { nonce }),
    ...(hashed && { payload: body ?? '', contentType: body === undefined ? '' : 'application/json' }),
  });
  const headers = {
    authorization,
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(host !== undefined && { host }),
  };
  return () => rawRequest(at(path), { method, headers, body });
}

/** What all official clients can do with a service that runs as it is. */
async function workWithOfficialClients(): Promise<void> {
  for (const [name, client] of [
    ['current', service.current()],
    ['older', service.older()],
  ] as const) {
    const settings = { description: '', expires: minutesFromNow(60), scopes: ['assume:*'] };
    const { accessToken } = await client['createClient']!(`by/${name}`, settings);
    expect((await client['createClient']!(`by/${name}`, settings)).accessToken).toBe(accessToken);
    await client['createRole']!(`by-${name}`, { description: '', scopes: ['a'] });
    await client['updateRole']!(`by-${name}`, { description: 'b', scopes: ['a'] });
    await client['resetAccessToken']!(`by/${name}`);
    await client['disableClient']!(`by/${name}`);
    await client['deleteClient']!(`by/${name}`);
    await client['deleteRole']!(`by-${name}`);
  }
}

describe('ALLOWED_HOSTS', () => {
  test('takes signed requests and bewits to its hosts only, and says which setting that is', async () => {
    service = await startService({ ALLOWED_HOSTS: '127.0.0.1,auth.example.com' });
    for (const host of ['auth.example.com', 'AUTH.example.com:80', 'auth.example.com:443'])
      expect((await signed('/scopes/current', { host })()).status).toBe(200);
    const evil = await signed('/roles/x', { host: 'evil.example', method: 'PUT', body: role() })();
    expect(evil).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'hawk' },
      body: {
        code: 'AuthenticationFailed',
        message: expect.stringMatching(
          /its own hosts only \(ALLOWED_HOSTS\), not one to the host "evil\.example"/,
        ),
      },
    });
    expect((await signedFetch(at('/roles/x'), ROOT)).status).toBe(404);
    const bewit = (host: string): string => {
      const credentials = { id: ROOT.clientId, key: ROOT.accessToken, algorithm: 'sha256' as const };
      return hawk.uri.getBewit(`http://${host}/api/auth/v1/scopes/current`, { credentials, ttlSec: 60 });
    };
    for (const [host, status] of [
      ['auth.example.com', 200],
      ['evil.example', 401],
    ] as const)
      expect(
        await rawRequest(at(`/scopes/current?bewit=${bewit(host)}`), { headers: { host } }),
      ).toMatchObject({
        status,
      });
    await workWithOfficialClients();
  });

  test('looks at no unsigned request, and not at the host that authenticateHawk is asked about', async () => {
    service = await startService({ ALLOWED_HOSTS: 'auth.example.com', READ_ACCESS: 'open' });
    expect((await rawRequest(at('/roles/'), { headers: { host: 'evil.example' } })).status).toBe(200);
    const { header: authorization } = hawk.client.header('http://evil.example/', 'GET', {
      credentials: { id: ROOT.clientId, key: ROOT.accessToken, algorithm: 'sha256' },
    });
    const asked = { method: 'get', resource: '/', host: 'evil.example', port: 80, authorization };
    const reply = await rawRequest(at('/authenticate-hawk'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(asked),
    });
    expect(JSON.parse(reply.text)).toMatchObject({ status: 'auth-success', clientId: ROOT.clientId });
  });

  test('of IPv6 literals do without brackets', async () => {
    service = await startService({ ALLOWED_HOSTS: '[::1]' });
    expect((await signed('/scopes/current', { host: '[::1]:80' })()).status).toBe(200);
    expect((await signed('/scopes/current', { host: '[::2]:80' })()).status).toBe(401);
  });

  test('where it is not set, takes any', async () => {
    service = await startService();
    expect((await signed('/scopes/current', { host: 'evil.example' })()).status).toBe(200);
  });
});

describe('REQUIRE_PAYLOAD_HASH', () => {
  test('takes changes from clients that sign their bodies, with a body or without', async () => {
    service = await startService({ REQUIRE_PAYLOAD_HASH: 'true' });
    const change = (method: string, path: string, body?: string) =>
      signed(path, { method, body, hashed: true })();
    expect((await change('PUT', '/roles/x', role(['a']))).status).toBe(200);
    expect((await change('POST', '/roles/x', role(['b']))).status).toBe(200);
    const settings = JSON.stringify({ description: '', expires: minutesFromNow(60), scopes: [] });
    expect((await change('PUT', '/clients/c', settings)).status).toBe(200);
    expect((await change('POST', '/clients/c/reset')).status).toBe(200);
    expect((await change('DELETE', '/clients/c')).status).toBe(204);
    expect((await change('DELETE', '/roles/x')).status).toBe(204);
  });

  test('refuses changes of official clients, which sign none, and lets them read', async () => {
    service = await startService({ REQUIRE_PAYLOAD_HASH: 'true' });
    for (const client of [service.current(), service.older()]) {
      const refused = { statusCode: 401, message: expect.stringContaining('REQUIRE_PAYLOAD_HASH') };
      await expect(client['createRole']!('x', { description: '', scopes: [] })).rejects.toMatchObject(
        refused,
      );
      await expect(client['deleteRole']!('x')).rejects.toMatchObject(refused);
      await expect(client['disableClient']!('x')).rejects.toMatchObject(refused);
      expect(await client['currentScopes']!()).toEqual({ scopes: expect.arrayContaining(['*']) });
      expect(await client['expandScopes']!({ scopes: ['a'] })).toEqual({ scopes: ['a'] });
    }
  });

  test('where it is not set, asks for none', async () => {
    service = await startService();
    await workWithOfficialClients();
  });
});

describe('REPLAY_PROTECTION=writes', () => {
  const on = { REPLAY_PROTECTION: 'writes' };

  test('takes each signed change once, also after a restart', async () => {
    service = await startService(on);
    const put = signed('/roles/x', { method: 'PUT', body: role() });
    expect((await put()).status).toBe(200);
    const again = await put();
    expect(again).toMatchObject({
      status: 401,
      body: { code: 'AuthenticationFailed', message: expect.stringContaining('REPLAY_PROTECTION') },
    });
    const remove = signed('/roles/x', { method: 'DELETE' });
    expect((await remove()).status).toBe(204);
    expect((await remove()).status).toBe(401);
    const expand = signed('/scopes/expand', { method: 'POST', body: JSON.stringify({ scopes: ['a'] }) });
    expect([(await expand()).status, (await expand()).status]).toEqual([200, 401]);
  });

  test('lets reading be repeated, and remembers nothing of signatures that are not good', async () => {
    service = await startService(on);
    const read = signed('/scopes/current');
    expect([(await read()).status, (await read()).status]).toEqual([200, 200]);
    const by = { clientId: ROOT.clientId, accessToken: 'not-the-token' };
    const forged = signed('/roles/x', { method: 'PUT', body: role(), nonce: 'n', by });
    expect((await forged()).status).toBe(401);
    expect((await signed('/roles/x', { method: 'PUT', body: role(), nonce: 'n' })()).status).toBe(200);
  });

  test('lets official clients do all they do, as they sign each try anew', async () => {
    service = await startService(on);
    await workWithOfficialClients();
  });

  test("refuses a signer that has no room left, and nobody else; temporary credentials are their issuer's", async () => {
    service = await startService({ ...on, MAX_NONCES_PER_CLIENT: '100' });
    const scopes = ['auth:delete-role:*', 'auth:create-client:lent'];
    const { accessToken } = await service.current()['createClient']!('busy', {
      description: '',
      expires: minutesFromNow(60),
      scopes,
    });
    const busy = { clientId: 'busy', accessToken };
    const lent = taskcluster.createTemporaryCredentials({
      clientId: 'lent',
      start: new Date(Date.now() - 60_000),
      expiry: new Date(Date.now() + 600_000),
      scopes: ['auth:delete-role:*'],
      credentials: busy,
    });
    for (let i = 0; i < 100; i += 1) await service.current(i % 2 ? lent : busy)['deleteRole']!('x');
    for (const credentials of [busy, lent])
      await expect(service.current(credentials)['deleteRole']!('x')).rejects.toMatchObject({
        statusCode: 429,
        message: expect.stringContaining('MAX_NONCES_PER_CLIENT'),
      });
    const refused = await signed('/roles/x', { method: 'DELETE', by: busy })();
    expect(refused.headers['ratelimit-policy']).toBe('"nonces";q=100;w=1800');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    await service.current()['deleteRole']!('x');
  });
});
