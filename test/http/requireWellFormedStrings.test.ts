import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isWellFormed } from '../../src/domain/wellFormed.ts';
import { readStaticClients } from '../../src/config/jsonSettings.ts';
import { rawRequest, type RawReply } from '../rawRequest.ts';
import { sharedFile, testWithShared } from '../sharedData.ts';
import { authorizationFor } from '../signed.ts';
import { minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';

let service: TestService;
let before: string;
beforeAll(async () => {
  service = await startService();
  before = await service.service.core.eventStore.head();
});
afterAll(async () => {
  // No request in this file changes anything.
  expect(await service.service.core.eventStore.head()).toBe(before);
  await service.remove();
});

async function send(method: string, path: string, body: string): Promise<RawReply> {
  const url = service.rootUrl + path;
  const headers = { 'content-type': 'application/json', authorization: authorizationFor(url, method, ROOT) };
  const reply = await rawRequest(url, { method, path, headers, body });
  expect(textsIn(JSON.parse(reply.text)).filter((text) => !isWellFormed(text))).toEqual([]);
  return reply;
}

/** All texts in a JSON value, names of properties among them. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) => [name, ...textsIn(each)]);
}

const refused = { status: 400, body: { code: 'InputValidationError' } };
const client = { description: '', expires: minutesFromNow(10), scopes: ['a'] };
const role = { description: '', scopes: ['a'] };
const asked = { method: 'get', resource: '/', host: 'localhost', port: 80 };
const tester = { clientScopes: ['a'], requiredScopes: ['a'] };
/** What a method takes, where a text in it can be anything, and a body that is right but for that. */
const bodies: [string, string, string, object, string[]][] = [
  ['createClient', 'PUT', '/clients/x', client, ['description', 'expires', 'scopes']],
  ['updateClient', 'POST', '/clients/x', client, ['description', 'expires', 'scopes']],
  ['createRole', 'PUT', '/roles/x', role, ['description', 'scopes']],
  ['updateRole', 'POST', '/roles/x', role, ['description', 'scopes']],
  ['authenticateHawk', 'POST', '/authenticate-hawk', asked, ['resource', 'host', 'method', 'authorization']],
  ['expandScopes', 'POST', '/scopes/expand', { scopes: [] }, ['scopes']],
  ['testAuthenticate', 'POST', '/test-authenticate', tester, ['clientScopes', 'requiredScopes']],
];
const unreadable = ['\\ud83d', 'cut \\uDE00!', '\\ude00\\ud83d', 'a\\u0000b'];

describe('a text that is not well-formed Unicode, or holds NUL', () => {
  test.each(bodies)('is refused wherever it stands in a body of %s', async (_, method, path, body, names) => {
    for (const prefix of ['/api/auth/v1', '/v1'])
      for (const text of unreadable) {
        for (const name of names) {
          const value = name.endsWith('copes') ? [text] : text;
          const json = JSON.stringify({ ...body, [name]: value }).replaceAll('\\\\u', '\\u');
          expect(await send(method, prefix + path, json)).toMatchObject(refused);
        }
        const named = JSON.stringify(body).replace('{', `{"${text}":1,`);
        expect(await send(method, prefix + path, named)).toMatchObject(refused);
      }
  });

  test('is refused in a body of a guarded service, whether it is configured or not', async () => {
    const path = '/api/auth/v1/github/app/owner/repo-token';
    const body = '{"repositories":["\\ud83d"],"permissions":{"contents":"read"}}';
    expect(await send('POST', path, body)).toMatchObject(refused);
    const named = '{"repositories":["r"],"permissions":{"contents\\ud83d":"read"}}';
    expect(await send('POST', path, named)).toMatchObject(refused);
  });

  test('is named with its place', async () => {
    const { body } = await send('PUT', '/api/auth/v1/roles/x', '{"description":"\\ud83d","scopes":[]}');
    expect(body.message).toMatch(
      /^body\.description must be well-formed Unicode: .*half of a surrogate pair.* NUL/,
    );
    expect(body.details).toEqual({ problems: [expect.stringMatching(/^body\.description /)] });
    const deep = `{"a":${'{"\\ud83d":'.repeat(900)}1${'}'.repeat(901)}`;
    const long = await send('PUT', '/api/auth/v1/roles/x', deep);
    expect(long).toMatchObject(refused);
    expect(long.text.length).toBeLessThan(2000);
  });

  testWithShared('cases/lone-surrogate-body.json', 'is what a real client has sent', async () => {
    const body = readFileSync(sharedFile('cases/lone-surrogate-body.json'), 'utf8');
    expect(await send('PUT', '/api/auth/v1/roles/x', body)).toMatchObject(refused);
  });

  test('cannot come in by a URL', async () => {
    for (const text of ['%ED%A0%BD', '%00']) {
      for (const path of [
        `/clients/${text}`,
        `/roles/${text}`,
        `/clients/?prefix=${text}`,
        `/aws/s3/read-only/b/${text}`,
      ]) {
        const { status } = await rawRequest(`${service.rootUrl}/api/auth/v1${path}`);
        expect({ path, status }).toEqual({ path, status: 400 });
      }
    }
  });

  test('cannot come in by STATIC_CLIENTS', () => {
    const entry = { clientId: 'static/x', accessToken: ROOT.accessToken, scopes: [] };
    for (const description of ['\ud83d', 'a\0b'])
      expect(() => readStaticClients(JSON.stringify([{ ...entry, description }]))).toThrow(
        /^\[0\] \(static\/x\): description must be well-formed Unicode/,
      );
    expect(readStaticClients(JSON.stringify([{ ...entry, description: '😀' }]))).toHaveLength(1);
  });
});

describe('what other languages can read', () => {
  test('is taken as it is, escaped or not', async () => {
    const path = '/api/auth/v1/test-authenticate';
    const escaped = JSON.stringify(tester).replace('["a"]', '["\\u0061"]');
    // It is refused only for who signed it, which is asked after the body was taken.
    expect((await send('POST', path, escaped)).status).toBe(401);
    const literal =
      '{"resource":"/\\\\ud83d","method":"get","host":"h","port":1,"authorization":"😀 \\ud83d\\ude00"}';
    expect((await send('POST', '/api/auth/v1/authenticate-hawk', literal)).status).toBe(200);
  });

  test('is all that an error shows of a request', async () => {
    const name = `${'x'.repeat(63)}😀`;
    const { body } = await send('PUT', '/api/auth/v1/roles/x', JSON.stringify({ ...role, [name]: 1 }));
    expect(body).toMatchObject(refused.body);
    expect(Object.keys(body.requestInfo!.payload)).toContain(`${'x'.repeat(63)}\ufffd`);
  });

  test('is all that an answer tells of a signature', async () => {
    const certificate = {
      ...{ version: 1, scopes: [], seed: 's'.repeat(44), signature: 'x', issuer: 'cut \ud83d' },
      ...{ start: Date.now(), expiry: Date.now() + 60_000 },
    };
    const ext = Buffer.from(JSON.stringify({ certificate })).toString('base64');
    const authorization = `Hawk id="a", ts="${Math.floor(Date.now() / 1000)}", nonce="n", mac="m", ext="${ext}"`;
    const bewit = Buffer.from('a\0b\\1893456000\\mac\\').toString('base64url');
    for (const request of [
      { ...asked, authorization },
      { ...asked, resource: `/?bewit=${bewit}` },
    ]) {
      const { body } = await send('POST', '/api/auth/v1/authenticate-hawk', JSON.stringify(request));
      expect(body).toMatchObject({
        status: 'auth-failed',
        message: expect.stringMatching(/^client .*\ufffd.* not found/),
      });
    }
  });
});
