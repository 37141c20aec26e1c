import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import hawk from 'hawk';
import { sendChunks } from '../../src/http/send.ts';
import { rawRequest, type RawReply } from '../rawRequest.ts';
import { minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';

const GZIP = { 'accept-encoding': 'gzip, deflate, br' };
/** Long enough to be compressed. */
const scopes = Array.from({ length: 400 }, (_, i) => `queue:create-task:highest:pool-${i}/worker`);

describe('a reply', () => {
  let service: TestService;
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<RawReply> =>
    rawRequest(service.rootUrl + path, { method, headers });
  const post = (path: string, body: object, headers: Record<string, string> = {}): Promise<RawReply> =>
    rawRequest(service.rootUrl + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...GZIP, ...headers },
      body: JSON.stringify(body),
    });
  const isPacked = ({ headers }: RawReply): boolean => headers['content-encoding'] === 'gzip';

  beforeAll(async () => {
    service = await startService({ READ_ACCESS: 'open', ALLOWED_CORS_ORIGIN: 'https://ui.example.com' });
    await service.current()['createRole']!('long', { description: '', scopes });
    await service.current()['createRole']!('short', { description: '', scopes: ['a'] });
  });
  afterAll(() => service.remove());

  test.each([
    ['a list', '/v1/roles/'],
    ['a role', '/v1/roles/long'],
    ['a document', '/openapi.json'],
    ['a reference', '/references/auth/v1/api.json'],
  ])('that is long is compressed where the caller accepts it: %s', async (_, path) => {
    const [plain, packed] = [await get(path), await get(path, GZIP)];
    expect(isPacked(plain)).toBe(false);
    expect(isPacked(packed)).toBe(true);
    expect(gunzipSync(packed.bytes).equals(plain.bytes)).toBe(true);
    expect(packed.bytes.length).toBeLessThan(plain.bytes.length / 2);
    for (const { headers } of [plain, packed]) expect(headers.vary).toBe('accept-encoding');
  });

  test('that is long text already is compressed likewise', async () => {
    const packed = await post('/v1/scopes/expand', { scopes: ['assume:long'] });
    expect(isPacked(packed)).toBe(true);
    expect(JSON.parse(gunzipSync(packed.bytes).toString())).toEqual({
      scopes: ['assume:long', ...scopes.toSorted()],
    });
  });

  test('that refuses at length is compressed likewise', async () => {
    const packed = await post('/v1/test-authenticate', { clientScopes: scopes, requiredScopes: scopes });
    expect(packed.status).toBe(403);
    expect(JSON.parse(gunzipSync(packed.bytes).toString())).toMatchObject({ code: 'InsufficientScopes' });
  });

  test.each([
    ['gzip', true],
    ['GZIP', true],
    ['*', true],
    ['deflate, gzip;q=0.5', true],
    ['identity;q=0.5, gzip', true],
    ['', false],
    ['br, deflate', false],
    ['gzip;q=0', false],
    ['gzip;q=0, *', false],
    ['*;q=0', false],
    ['identity, gzip;q=0.5', false],
    ['gzipped', false],
    [',;q=,,=', false],
  ])('to a caller who accepts %j', async (accepted, isToBePacked) => {
    expect(isPacked(await get('/v1/roles/', { 'accept-encoding': accepted }))).toBe(isToBePacked);
  });

  test('that is short is sent as it is', async () => {
    for (const path of ['/v1/roles/short', '/v1/clients/', '/api/auth/v1/ping', '/nowhere']) {
      const { headers } = await get(path, GZIP);
      expect({ path, encoding: headers['content-encoding'], vary: headers.vary }).toEqual({ path });
    }
  });

  test('of authenticateHawk, or with a secret, is sent as it is, however long', async () => {
    const client = { description: '', expires: minutesFromNow(10), scopes };
    const url = `${service.rootUrl}/api/auth/v1/clients/long`;
    const credentials = { id: ROOT.clientId, key: ROOT.accessToken, algorithm: 'sha256' } as const;
    const sign = (uri: string, method: string): string =>
      hawk.client.header(uri, method, { credentials }).header;
    const created = await rawRequest(url, {
      method: 'PUT',
      headers: { authorization: sign(url, 'PUT'), 'content-type': 'application/json', ...GZIP },
      body: JSON.stringify(client),
    });
    const reset = await post(
      '/v1/clients/long/reset',
      {},
      {
        authorization: sign(`${service.rootUrl}/v1/clients/long/reset`, 'POST'),
      },
    );
    const { accessToken: key } = reset.body as { accessToken: string };
    const judged = await post('/api/auth/v1/authenticate-hawk', {
      method: 'get',
      resource: '/x',
      host: 'h.example.com',
      port: 443,
      authorization: hawk.client.header('https://h.example.com/x', 'GET', {
        credentials: { ...credentials, id: 'long', key },
      }).header,
    });
    expect(judged.body).toMatchObject({ status: 'auth-success', clientId: 'long' });
    for (const reply of [created, reset, judged]) {
      expect(reply.bytes.length).toBeGreaterThan(8192);
      expect({ status: reply.status, packed: isPacked(reply) }).toEqual({ status: 200, packed: false });
    }
  });

  test('to HEAD has the headers of GET, and no body', async () => {
    for (const path of ['/v1/roles/', '/v1/roles/long', '/openapi.json']) {
      const { headers: asked } = await get(path, GZIP);
      const { headers, bytes } = await get(path, GZIP, 'HEAD');
      expect(bytes.length).toBe(0);
      for (const name of ['content-type', 'content-encoding', 'vary', 'cache-control'])
        expect([name, headers[name]]).toEqual([name, asked[name]]);
    }
  });

  test('varies by origin and by encoding', async () => {
    const { headers } = await get('/v1/roles/', { ...GZIP, origin: 'https://ui.example.com' });
    expect(headers.vary!.toLowerCase().split(', ').sort()).toEqual(['accept-encoding', 'origin']);
    expect(headers['access-control-allow-origin']).toBe('https://ui.example.com');
  });

  test('is not to be kept, nor taken for another type, whatever it is', async () => {
    const unsigned = '/api/auth/v1/clients/x';
    for (const [method, path, status] of [
      ['GET', '/v1/roles/', 200],
      ['GET', '/v1/roles/short', 200],
      ['GET', '/v1/roles/none', 404],
      ['DELETE', unsigned, 403],
      ['GET', '/openapi.json', 200],
      ['GET', '/nowhere', 404],
      ['OPTIONS', unsigned, 204],
      ['OPTIONS', '/nowhere', 404],
    ] as const) {
      for (const origin of [{}, { origin: 'https://ui.example.com' }] as Record<string, string>[]) {
        const reply = await get(path, origin, method);
        if (method !== 'OPTIONS') expect({ path, status: reply.status }).toEqual({ path, status });
        expect(reply.headers['cache-control']).toBe('no-store, no-cache, must-revalidate');
        expect(reply.headers['x-content-type-options']).toBe('nosniff');
      }
    }
    const url = `${service.rootUrl}/v1/roles/short`;
    const { header: authorization } = hawk.client.header(url, 'DELETE', {
      credentials: { id: ROOT.clientId, key: ROOT.accessToken, algorithm: 'sha256' },
    });
    const empty = await rawRequest(url, { method: 'DELETE', headers: { authorization } });
    expect(empty).toMatchObject({ status: 204, headers: { 'x-content-type-options': 'nosniff' } });
  });
});

describe.each([
  ['plain', {}],
  ['compressed', GZIP],
])('pieces, %s', (_, headers) => {
  const pieces = { made: 0, ended: false, failAfter: Infinity };
  const server = createServer((_, response: ServerResponse) => {
    sendChunks(response, incompressible()).catch(() => response.destroy());
  });
  async function* incompressible(): AsyncGenerator<string> {
    try {
      for (pieces.made = 0; pieces.made < pieces.failAfter; pieces.made += 1)
        yield randomBytes(32 * 1024).toString('hex');
      throw new Error('the store went away');
    } finally {
      pieces.ended = true;
    }
  }
  async function open(): Promise<IncomingMessage> {
    const { port } = server.address() as AddressInfo;
    const request = httpRequest({ port, headers, agent: false }).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return response;
  }
  beforeAll(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
  });
  afterAll(() => void server.close());

  test('that fail halfway do not look complete', async () => {
    pieces.failAfter = 20;
    const response = await open();
    await expect(buffer(response)).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(response.complete).toBe(false);
  });

  test('are made no faster than they are taken, and no more once the receiver is gone', async () => {
    pieces.failAfter = Infinity;
    pieces.ended = false;
    const response = await open();
    let before = -1;
    while (pieces.made > before) {
      before = pieces.made;
      await sleep(200);
    }
    expect(pieces.ended).toBe(false);
    response.destroy();
    while (!pieces.ended) await sleep(10);
  });
});
