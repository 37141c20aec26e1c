import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import hawk from 'hawk';
import { rawRequest, type RawReply } from '../rawRequest.ts';
import { authorizationFor } from '../signed.ts';
import { type Credentials, minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';

const KIB = 1024;
let service: TestService;
let client: Credentials;
beforeAll(async () => {
  service = await startService();
  const settings = { description: '', expires: minutesFromNow(60), scopes: ['*'] };
  const { accessToken } = await service.current()['createClient']!('signer', settings);
  client = { clientId: 'signer', accessToken };
});
afterAll(() => service.remove());

const paths = { 'a method': '/api/auth/v1/scopes/current', 'a document': '/references/auth/v1/api.json' };
const kinds = Object.keys(paths) as (keyof typeof paths)[];

/** A request signed by root. */
function ask(kind: keyof typeof paths, headers: Record<string, string>): Promise<RawReply> {
  const url = service.rootUrl + paths[kind];
  return rawRequest(url, { headers: { ...headers, authorization: authorizationFor(url, 'GET', ROOT) } });
}

function expectRefused(reply: RawReply, message: RegExp): void {
  expect({ status: reply.status, code: reply.body.code }).toEqual({ status: 431, code: 'InputTooLarge' });
  expect(reply.headers['content-type']).toBe('application/json; charset=utf-8');
  expect(reply.body.message).toMatch(message);
  expect(reply.body.message).toMatch(
    /\n\n---\n\n\* method: .*\n\* errorCode: +InputTooLarge\n\* statusCode: +431\n/,
  );
  expect(reply.body.requestInfo).toMatchObject({ params: {}, payload: {}, time: expect.any(String) });
}

/** So many fields of so many characters, in name and value together. */
const fields = (count: number, length: number): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`f${String(i).padStart(4, '0')}`, 'a'.repeat(length - 5)]),
  );

describe.each(kinds)('the header of a request for %s', (kind) => {
  test('may have a field of 16 KiB, and not a longer one', async () => {
    expect((await ask(kind, { field: 'a'.repeat(16 * KIB) })).status).toBe(200);
    const refused = await ask(kind, { 'x-some-field': 'a'.repeat(16 * KIB + 1) });
    expectRefused(refused, /"x-some-field" must be at most 16384 characters/);
  });

  test('may have 64 KiB together, and not more', async () => {
    const most = fields(63, KIB);
    // root's signature and Node's client add less than 1 KiB.
    expect((await ask(kind, most)).status).toBe(200);
    expectRefused(await ask(kind, { ...most, more: 'a'.repeat(KIB) }), /at most 65536 characters together/);
    for (const length of [80, 127, 129, 250, 1000].map((kib) => kib * KIB))
      expectRefused(await ask(kind, fields(length / KIB, KIB)), /at most 65536 characters together/);
  });

  test('may have 2000 fields, none of which is lost, and not more', async () => {
    // The signature is the last field.
    expect((await ask(kind, fields(1990, 6))).status).toBe(200);
    for (const count of [2000, 2010, 2020, 2040, 5000])
      expectRefused(await ask(kind, fields(count, 6)), /at most 2000 fields/);
  });

  test('must have a host, since HTTP/1.1', async () => {
    const socket = connect(service.port, '127.0.0.1');
    socket.end(`GET ${paths[kind]} HTTP/1.1\r\n\r\n`);
    const refused = await text(socket);
    expect(refused).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]*\r\n\r\n\{"code":"MalformedPayload"/);
    const older = connect(service.port, '127.0.0.1');
    older.end('GET /v1/ping HTTP/1.0\r\n\r\n');
    expect(await text(older)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });

  test.each([
    ['two hosts', ' HTTP/1.1\r\nhost: a\r\nHost: b', 'one Host header'],
    ['the same host twice', ' HTTP/1.0\r\nhost: a\r\nhost: a', 'one Host header'],
    ['no version, as in HTTP/0.9', '', 'HTTP/1.1 or HTTP/1.0'],
    ['another version', ' HTTP/0.9\r\nhost: a', 'HTTP/1.1 or HTTP/1.0'],
  ])('must not have %s', async (_, rest, message) => {
    for (const method of ['GET', 'OPTIONS']) {
      const socket = connect(service.port, '127.0.0.1');
      socket.end(`${method} ${paths[kind]}${rest}\r\n\r\n`);
      const refused = await text(socket);
      expect(refused).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]*\r\n\r\n\{"code":"MalformedPayload"/);
      expect(refused).toContain(message);
    }
  });

  test('may be for a URL of 16 KiB, and not a longer one', async () => {
    const at = (length: number): Promise<RawReply> =>
      rawRequest(service.rootUrl, { path: `${paths[kind]}?${'a'.repeat(length - paths[kind].length - 1)}` });
    expect((await at(16 * KIB)).status).toBe(kind === 'a method' ? 400 : 200);
    expectRefused(await at(16 * KIB + 1), /the URL must be at most 16384 characters/);
  });
});

test('a refused header of a request for a method is logged as every request is, and none is shown', async () => {
  const reply = await ask('a method', { secret: 'canary'.repeat(3 * KIB) });
  expectRefused(reply, /"secret"/);
  expect(reply.body.requestInfo!.method).toBe('currentScopes');
  expect(reply.text).not.toContain('canary');
  expectRefused(await ask('a method', { secret: 'canary'.repeat(30 * KIB) }), /together/);
  expect(service.logged()).not.toContain('canary');
  expect(service.logged()).toMatch(/"method":"currentScopes"[^\n]*"status":431/);
  expect(service.logged()).toMatch(/"code":"HPE_HEADER_OVERFLOW","status":431/);
});

describe('a signature of up to 16 KiB', () => {
  const scopes = (count: number): string[] =>
    Array.from({ length: count }, (_, i) => `scope/${i}/${'a'.repeat(80)}`);

  test.each(['current', 'older'] as const)(
    'that limits the scopes to many is taken from the %s client',
    async (dialect) => {
      for (const count of [32, 80, 110]) {
        const authorizedScopes = ['auth:current-scopes', ...scopes(count)];
        const limited = service[dialect](client, { authorizedScopes });
        expect((await limited['currentScopes']!()).scopes).toHaveLength(count + 2);
      }
      const tooMany = service[dialect](client, { authorizedScopes: scopes(140) });
      await expect(tooMany['currentScopes']!()).rejects.toMatchObject({
        statusCode: 431,
        code: 'InputTooLarge',
      });
    },
  );

  describe('of a request to another service', () => {
    const other = 'http://other.example.com';
    const credentials = () =>
      ({ id: client.clientId, key: client.accessToken, algorithm: 'sha256' }) as const;
    const judge = (dialect: 'current' | 'older', request: object): Promise<object> =>
      service[dialect](null)['authenticateHawk']!({
        method: 'get',
        resource: '/a',
        host: 'other.example.com',
        port: 80,
        ...request,
      });
    /** Written as clients write it, or in another way. */
    const signed = (length: number, change: (header: string) => string): string => {
      const authorizedScopes = ['a'];
      const header = (ext: object): string =>
        change(
          hawk.client.header(`${other}/a`, 'GET', {
            credentials: credentials(),
            nonce: 'nonce',
            ext: Buffer.from(JSON.stringify(ext)).toString('base64'),
          }).header,
        );
      let padding = length - 30 - header({ authorizedScopes }).length;
      for (; ; padding += 1) {
        const made = header({ authorizedScopes, padding: 'p'.repeat((padding * 3) / 4) });
        if (made.length >= length) return made;
      }
    };
    const forms = [(header: string) => header, (header: string) => header.replace('Hawk ', 'hawk  ')];

    test.each(['current', 'older'] as const)(
      'in its header is judged at %s, and a longer one is not',
      async (dialect) => {
        for (const form of forms) {
          const taken = signed(16_380, form);
          expect(taken.length).toBeLessThanOrEqual(16 * KIB);
          expect(await judge(dialect, { authorization: taken })).toMatchObject({
            status: 'auth-success',
            scopes: ['a', 'assume:anonymous'],
          });
          for (const length of [16 * KIB + 1, 100 * KIB]) {
            expect(await judge(dialect, { authorization: signed(length, form) })).toEqual({
              status: 'auth-failed',
              message: 'the Authorization header must be at most 16384 characters long',
            });
          }
        }
      },
    );

    test.each(['current', 'older'] as const)(
      'in its URL is judged at %s, and of a longer one is not',
      async (dialect) => {
        const resourceOf = (length: number): string => {
          const bewitFor = (path: string): string =>
            hawk.uri.getBewit(other + path, { credentials: credentials(), ttlSec: 60 });
          const path = `/${'a'.repeat(length - '/?bewit='.length - bewitFor('/').length)}`;
          return `${path}?bewit=${bewitFor(path)}`;
        };
        const taken = resourceOf(16 * KIB);
        expect(taken).toHaveLength(16 * KIB);
        expect(await judge(dialect, { resource: taken })).toMatchObject({
          status: 'auth-success',
          clientId: 'signer',
        });
        for (const length of [16 * KIB + 1, 100 * KIB]) {
          expect(await judge(dialect, { resource: resourceOf(length) })).toEqual({
            status: 'auth-failed',
            message: 'a URL with a bewit must be at most 16384 characters long',
          });
        }
      },
    );
  });

  test('in a URL of this service is judged', async () => {
    const ext = Buffer.from(
      JSON.stringify({ authorizedScopes: ['auth:current-scopes', ...scopes(75)] }),
    ).toString('base64');
    const url = service.rootUrl + paths['a method'];
    const credentials = { id: client.clientId, key: client.accessToken, algorithm: 'sha256' } as const;
    const bewit = hawk.uri.getBewit(url, { credentials, ttlSec: 60, ext });
    expect(bewit.length).toBeGreaterThan(12 * KIB);
    const reply = await rawRequest(`${url}?bewit=${bewit}`);
    expect((JSON.parse(reply.text) as { scopes: string[] }).scopes).toHaveLength(77);
  });
});
