import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rawRequest, type RawReply } from '../rawRequest.ts';
import { startService, type TestService } from '../startService.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.remove());

const options = (path: string, headers: Record<string, string> = {}): Promise<RawReply> =>
  rawRequest(service.rootUrl + path, { method: 'OPTIONS', headers });

describe('OPTIONS', () => {
  test.each([
    ['/api/auth/v1/ping', 'GET, HEAD, OPTIONS'],
    ['/v1/clients/', 'GET, HEAD, OPTIONS'],
    ['/v1/clients/a%2Fb', 'GET, HEAD, PUT, POST, DELETE, OPTIONS'],
    ['/api/auth/v1/authenticate-hawk', 'POST, OPTIONS'],
    ['/v1/scopes/expand', 'GET, HEAD, POST, OPTIONS'],
    ['/openapi.json', 'GET, HEAD, OPTIONS'],
  ])('of %s says what may be asked there', async (path, allow) => {
    expect(await options(path)).toMatchObject({ status: 204, headers: { allow }, text: '' });
  });

  test('is answered for every path that the API has', async () => {
    const { paths } = JSON.parse((await rawRequest(`${service.rootUrl}/openapi.json`)).text) as {
      paths: Record<string, Record<string, object>>;
    };
    for (const [path, operations] of Object.entries(paths)) {
      const { status, headers } = await options(path.replaceAll(/\{\w+\}/g, 'x'));
      expect({ path, status }).toEqual({ path, status: 204 });
      expect(headers.allow!.toLowerCase().split(', ')).toEqual(
        expect.arrayContaining(Object.keys(operations)),
      );
    }
  });

  test('of what is nowhere is not found', async () => {
    expect(await options('/nowhere')).toMatchObject({ status: 404, body: { code: 'ResourceNotFound' } });
  });

  test('of a browser says what a page may send', async () => {
    const { status, headers } = await options('/v1/clients/x', {
      origin: 'https://example.com',
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'authorization,content-type',
    });
    expect(status).toBe(204);
    expect(headers['access-control-allow-origin']).toBe('*');
    expect(headers['access-control-allow-methods']!.split(',')).toContain('PUT');
    const allowed = headers['access-control-allow-headers']!.toLowerCase().split(',');
    for (const name of [
      'x-requested-with',
      'content-type',
      'authorization',
      'accept',
      'origin',
      'cache-control',
    ])
      expect(allowed).toContain(name);
  });

  test('of a browser is answered without leave where pages have none', async () => {
    const closed = await startService({ ALLOWED_CORS_ORIGIN: '' });
    try {
      const headers = { origin: 'https://example.com', 'access-control-request-method': 'GET' };
      const reply = await rawRequest(`${closed.rootUrl}/v1/ping`, { method: 'OPTIONS', headers });
      expect(reply.status).toBe(204);
      expect(reply.headers['access-control-allow-origin']).toBeUndefined();
    } finally {
      await closed.remove();
    }
  });
});
