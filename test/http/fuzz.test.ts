import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { rawRequest, type RawReply } from '../rawRequest.ts';
import { authorizationFor } from '../signed.ts';
import { ROOT, startService, type TestService } from '../startService.ts';

const numRuns = Number(process.env['FUZZ_RUNS'] ?? 100);

let service: TestService;
beforeAll(async () => {
  service = await startService();
  const auth = service.current();
  const settings = { description: '', expires: '2099-01-01T00:00:00Z', scopes: ['a'] };
  await auth['createClient']!('a', settings);
  await auth['createRole']!('a*', { description: '', scopes: ['b:<..>'] });
});
afterAll(() => service.remove());

function expectDocumented({ status, body, text }: RawReply): void {
  expect({ status, text: status >= 500 ? text : '' }).toEqual({ status, text: '' });
  if (status >= 400) expect(body).toMatchObject({ code: expect.any(String), message: expect.any(String) });
}

function send(method: string, path: string, body?: string): Promise<RawReply> {
  const url = `${service.rootUrl}${path}`;
  const headers = { 'content-type': 'application/json', authorization: authorizationFor(url, method, ROOT) };
  return rawRequest(url, { method, path, headers, body });
}

/** Mostly what a field should hold, and anything at all now and then. */
const or = (likely: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ arbitrary: likely, weight: 4 }, { arbitrary: fc.jsonValue(), weight: 1 });
const scope = fc.oneof(
  fc.constantFrom('a', 'a*', '*', 'assume:a*', 'assume:ab', 'b:<..>', '**', 'x<..><..>', '*<..>'),
  fc.string(),
);
const scopes = or(fc.array(scope, { maxLength: 5 }));
const date = fc.oneof(
  fc.date().map(String),
  fc.constantFrom(
    '2030-01-01T00:00:00Z',
    '2030-02-31T25:00:00Z',
    '9999-12-31T23:59:60Z',
    '9999-12-31T23:59:59-01:00',
    '0000-01-01T00:00:00+01:00',
    '2030-01-01t00:00:00z',
  ),
);
const hawkText = fc.oneof(
  fc.string(),
  fc
    .array(
      fc.tuple(
        fc.constantFrom('id', 'ts', 'nonce', 'mac', 'ext', 'hash', 'app', 'dlg', 'x'),
        fc.oneof(fc.string(), fc.base64String(), fc.nat().map(String), fc.constantFrom('a', 'static/root')),
      ),
      { maxLength: 7 },
    )
    .map((fields) => `Hawk ${fields.map(([name, value]) => `${name}="${value}"`).join(', ')}`),
  fc
    .jsonValue()
    .map(
      (value) =>
        `Hawk id="static/root", ts="${Math.floor(Date.now() / 1000)}", nonce="n", mac="m", ext="${Buffer.from(JSON.stringify(value)).toString('base64')}"`,
    ),
  fc
    .record(
      {
        version: or(fc.constant(1)),
        seed: or(fc.constant('s'.repeat(44))),
        start: or(fc.nat()),
        expiry: or(fc.constant(9e12)),
        scopes,
        signature: or(fc.base64String()),
        issuer: or(fc.constantFrom('a', 'b')),
      },
      { requiredKeys: [] },
    )
    .map(
      (certificate) =>
        `Hawk id="static/root", ts="${Math.floor(Date.now() / 1000)}", nonce="n", mac="m", ext="${Buffer.from(JSON.stringify({ certificate })).toString('base64')}"`,
    ),
);
const resource = fc.oneof(
  fc.constantFrom('/', '/x?y=1', '/x?bewit=', ''),
  fc.webPath(),
  fc.base64String().map((text) => `/x?bewit=${text}`),
  fc.string(),
);

const bodies: [string, string, string, fc.Arbitrary<unknown>][] = [
  [
    'authenticateHawk',
    'POST',
    '/authenticate-hawk',
    fc.record(
      {
        method: or(fc.constantFrom('get', 'post', 'GET')),
        resource: or(resource),
        host: or(fc.constantFrom('localhost', '1.2.3.4', '')),
        port: or(fc.integer({ min: -1, max: 70_000 })),
        authorization: or(hawkText),
        sourceIp: or(fc.ipV4()),
      },
      { requiredKeys: [] },
    ),
  ],
  [
    'createClient',
    'PUT',
    '/clients/b',
    fc.record(
      { description: or(fc.string()), expires: or(date), scopes, deleteOnExpiration: or(fc.boolean()) },
      { requiredKeys: [] },
    ),
  ],
  [
    'updateClient',
    'POST',
    '/clients/a',
    fc.record(
      { description: or(fc.string()), expires: or(date), scopes, deleteOnExpiration: or(fc.boolean()) },
      { requiredKeys: [] },
    ),
  ],
  [
    'createRole',
    'PUT',
    '/roles/b*',
    fc.record({ description: or(fc.string()), scopes }, { requiredKeys: [] }),
  ],
  [
    'updateRole',
    'POST',
    '/roles/a*',
    fc.record({ description: or(fc.string()), scopes }, { requiredKeys: [] }),
  ],
  ['expandScopes', 'POST', '/scopes/expand', fc.record({ scopes }, { requiredKeys: [] })],
  [
    'testAuthenticate',
    'POST',
    '/test-authenticate',
    fc.record({ clientScopes: scopes, requiredScopes: scopes }, { requiredKeys: [] }),
  ],
];

describe('whatever is sent, no reply is a 5xx, and every refusal has the documented form', () => {
  test.each(bodies)(
    'as a body of %s',
    async (_, method, path, body) => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('/api/auth/v1', '/v1'),
          fc.oneof({ arbitrary: body, weight: 9 }, { arbitrary: fc.jsonValue(), weight: 1 }),
          async (prefix, value) => {
            expectDocumented(await send(method, prefix + path, JSON.stringify(value)));
          },
        ),
        { numRuns },
      );
    },
    120_000,
  );

  test('as an Authorization header', async () => {
    const sendable = hawkText.map((text) => text.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '?'));
    await fc.assert(
      fc.asyncProperty(sendable, async (authorization) => {
        expectDocumented(
          await rawRequest(`${service.rootUrl}/api/auth/v1/scopes/current`, { headers: { authorization } }),
        );
      }),
      { numRuns },
    );
  }, 120_000);

  test('as a path and query', async () => {
    const part = fc.oneof(
      fc.constantFrom('clients', 'roles', 'audit', 'client', 'enable', 'a', 'a%2Fb', '%', '%E4', '..', ''),
      fc.webSegment(),
    );
    const path = fc
      .tuple(fc.array(part, { maxLength: 5 }), fc.webQueryParameters())
      .map(([parts, query]) => `/${parts.join('/')}?${query}`);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('/api/auth/v1', '/v1', ''),
        path,
        fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD'),
        async (prefix, rest, method) => {
          const reply = await rawRequest(service.rootUrl, { method, path: prefix + rest });
          if (method === 'HEAD') expect(reply.status).toBeLessThan(500);
          else expectDocumented(reply);
        },
      ),
      { numRuns },
    );
  }, 120_000);
});
