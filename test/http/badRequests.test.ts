import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rawRequest, type RawReply } from '../rawRequest.ts';
import { authorizationFor } from '../signed.ts';
import { minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';

let service: TestService;
let before: string;
beforeAll(async () => {
  service = await startService({ MAX_BODY_BYTES: '20000' });
  before = await service.service.core.eventStore.head();
});
afterAll(async () => {
  // No refused request in this file changes anything.
  expect(await service.service.core.eventStore.head()).toBe(before);
  await service.remove();
});

const JSON_TYPE = { 'content-type': 'application/json' };
const client = { description: '', expires: minutesFromNow(10), scopes: ['a'] };
const role = { description: '', scopes: ['a'] };

/** A request signed by root. */
async function send(
  method: string,
  path: string,
  body?: string | Buffer | object,
  headers: Record<string, string> = JSON_TYPE,
): Promise<RawReply> {
  const url = `${service.rootUrl}/api/auth/v1${path}`;
  const payload =
    body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return rawRequest(url, {
    method,
    path: `/api/auth/v1${path}`,
    headers: { authorization: authorizationFor(url, method, ROOT), ...headers },
    body: payload,
  });
}

function expectRefusal(reply: RawReply, status: number, code: string): void {
  expect({ status: reply.status, code: reply.body.code }).toEqual({ status, code });
  expect(reply.body.message).toMatch(
    new RegExp(
      `\n\n---\n\n\\* method: .*\n\\* errorCode: +${code}\n\\* statusCode: +${status}\n\\* time: .*$`,
    ),
  );
  expect(reply.body.requestInfo).toEqual({
    method: expect.any(String),
    params: expect.any(Object),
    payload: expect.anything(),
    time: expect.any(String),
  });
}

describe('a body', () => {
  test.each([
    ['no JSON', '{'],
    ['an array', '[]'],
    ['a text', '"x"'],
    ['null', 'null'],
    ['nothing', ''],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['lists in lists in lists, thousands deep', `{"scopes":${'['.repeat(9000)}${']'.repeat(9000)}}`],
    ['objects likewise', `${'{"scopes":'.repeat(1600)}1${'}'.repeat(1600)}`],
  ])('that is %s is malformed', async (_, body) => {
    expectRefusal(await send('PUT', '/clients/x', body), 400, 'MalformedPayload');
  });

  test('of another type, or in another encoding, is malformed', async () => {
    const body = JSON.stringify(client);
    for (const headers of [
      {},
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/x-www-form-urlencoded' },
      ...['br', 'deflate', 'gzip, gzip', ''].map((name) => ({ ...JSON_TYPE, 'content-encoding': name })),
    ]) {
      expectRefusal(
        await send('PUT', '/clients/x', body, headers as Record<string, string>),
        400,
        'MalformedPayload',
      );
    }
  });

  test('that is too large is refused, whether it tells its length or not', async () => {
    const body = JSON.stringify({ ...client, description: 'x'.repeat(30_000) });
    expectRefusal(await send('PUT', '/clients/x', body), 413, 'InputTooLarge');
    expectRefusal(
      await send('PUT', '/clients/x', body, { ...JSON_TYPE, 'transfer-encoding': 'chunked' }),
      413,
      'InputTooLarge',
    );
  });

  test.each([
    ['without what is required', { description: '' }],
    ['with an unknown property', { ...client, other: 1 }],
    ['with a wrong type', { ...client, scopes: 'a' }],
    ['with a scope beyond ASCII', { ...client, scopes: ['ä'] }],
    ['with a scope twice', { ...client, scopes: ['a', 'a'] }],
    ['with a long description', { ...client, description: 'x'.repeat(10_241) }],
    ['with no date', { ...client, expires: 'tomorrow' }],
    ['with a date that does not exist', { ...client, expires: '2020-01-01T23:59:60Z' }],
    ['with a date after the year 9999', { ...client, expires: '9999-12-31T23:59:59-01:00' }],
    ['with a date before the year 0', { ...client, expires: '0000-01-01T00:00:00+01:00' }],
    ['with a date without a zone', { ...client, expires: '2030-01-01T00:00:00' }],
  ])('%s does not match its schema', async (_, body) => {
    expectRefusal(await send('PUT', '/clients/x', body), 400, 'InputValidationError');
    expectRefusal(await send('POST', '/clients/x', body), 400, 'InputValidationError');
  });

  test('with keys that pollute prototypes does not match its schema', async () => {
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      const body = JSON.stringify(role).replace('{', `{"${key}":{"description":"polluted"},`);
      expectRefusal(await send('PUT', '/roles/x', body), 400, 'InputValidationError');
    }
    expect(({} as Record<string, unknown>)['description']).toBeUndefined();
  });

  test('whose sender leaves before it is whole is no error of the service', async () => {
    const { hostname, port } = new URL(service.rootUrl);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(
      `PUT /v1/clients/x HTTP/1.1\r\nhost: ${hostname}\r\ncontent-length: 100\r\ncontent-type: application/json\r\n\r\n{`,
    );
    await sleep(50);
    socket.destroy();
    while (!service.logged().includes('"status":499')) await sleep(10);
    expect(service.logged()).not.toMatch(/internal error/);
  });

  test('is shown back without what it does not declare', async () => {
    const reply = await send('PUT', '/clients/x', { ...client, accessToken: 'canary-value', description: 5 });
    expect(reply.text).not.toContain('canary-value');
    expect(reply.body.requestInfo!.payload).toMatchObject({ scopes: ['a'], accessToken: '(not shown)' });
  });
});

describe('a URL', () => {
  test('with an unknown, doubled or malformed query parameter is refused', async () => {
    for (const query of [
      'other=1',
      'limit=1&limit=2',
      'limit=x',
      'limit=',
      'prefix=%C3%A4',
      'limit=0',
      'continuationToken=%2B',
      '__proto__=1',
    ]) {
      expectRefusal(await send('GET', `/clients/?${query}`), 400, 'InvalidRequestArguments');
    }
    expectRefusal(await send('GET', '/roles/?limit=1'), 400, 'InvalidRequestArguments');
  });

  test('with a malformed or long id is refused', async () => {
    for (const id of ['%C3%A4', 'a%20b', '%zz', '%', '%00', 'x'.repeat(1001)]) {
      expectRefusal(await send('GET', `/clients/${id}`), 400, 'InvalidRequestArguments');
    }
    for (const id of ['%C3%A4', '%0A', '%zz', 'x'.repeat(1001)])
      expectRefusal(await send('GET', `/roles/${id}`), 400, 'InvalidRequestArguments');
    expectRefusal(await send('GET', '/audit/worm/x'), 400, 'InvalidRequestArguments');
  });

  test('that does not exist, or not for this HTTP method, is not found', async () => {
    for (const [method, path] of [
      ['GET', '/clients/a/b'],
      ['PATCH', '/clients/a'],
      ['GET', '/clients//'],
      ['GET', '/clients/a//'],
      ['GET', '//clients'],
      ['GET', '/Clients/'],
      ['PUT', '/clients/'],
    ] as const) {
      expect((await send(method, path)).status).toBe(404);
    }
  });
});

describe('a change that cannot be', () => {
  test.each([
    ['scopes that end in two stars', 'PUT', '/clients/x', { ...client, scopes: ['a**'] }, 'InputError', 400],
    ['a static client', 'PUT', '/clients/static%2Fx', client, 'InputError', 400],
    ['a client that is not there', 'POST', '/clients/x', client, 'ResourceNotFound', 404],
    ['enabling a client that is not there', 'POST', '/clients/x/enable', undefined, 'ResourceNotFound', 404],
    ['a role that is not there', 'POST', '/roles/x', role, 'ResourceNotFound', 404],
    ['two parameters', 'PUT', '/roles/x*', { ...role, scopes: ['a<..><..>'] }, 'InputError', 400],
    ['an ambiguous parameter', 'PUT', '/roles/x*', { ...role, scopes: ['a*<..>'] }, 'InputError', 400],
    ['a role that grants itself', 'PUT', '/roles/x', { ...role, scopes: ['assume:x'] }, 'InputError', 400],
  ] as const)('is refused: %s', async (_, method, path, body, code, status) => {
    expectRefusal(await send(method, path, body), status, code);
  });

  test('tells which scope, and which cycle', async () => {
    expect((await send('PUT', '/roles/x*', { ...role, scopes: ['a*<..>'] })).body.details).toEqual({
      scope: 'a*<..>',
    });
    expect((await send('PUT', '/roles/x', { ...role, scopes: ['*'] })).body.details).toEqual({
      cycle: ['x', 'x'],
    });
  });
});

describe('without sufficient scopes', () => {
  const unsigned = async (method: string, path: string, body?: object): Promise<RawReply> =>
    rawRequest(`${service.rootUrl}/api/auth/v1${path}`, {
      method,
      headers: JSON_TYPE,
      body: body && JSON.stringify(body),
    });

  test('a request gets an error that names the missing scopes', async () => {
    const reply = await unsigned('PUT', '/roles/x', role);
    expectRefusal(reply, 403, 'InsufficientScopes');
    expect(reply.body.message).toMatch(/anonymous/);
    expect(reply.body.details).toMatchObject({ clientId: 'anonymous', missing: ['auth:create-role:x', 'a'] });
  });

  test('scopes in messages are shown as they are, also by what shows Markdown', async () => {
    const messageOf = async (reply: Promise<RawReply>): Promise<string> => (await reply).body.message!;
    expect(await messageOf(unsigned('PUT', '/roles/x', { ...role, scopes: ['a_*_*', 'b```'] }))).toMatch(
      /missing:\n\n````\nauth:create-role:x\na_\*_\*\nb```\n````\n\nThe request needs:\n\n````\n\{\n[^]*\n\}\n````\n\n---\n/,
    );
    expect(await messageOf(unsigned('GET', '/clients/x'))).toMatch(
      /missing:\n\n```\nauth:get-client:x\n```\n\nThe request needs:\n\n```\n"auth:get-client:x"\n```\n\n---\n/,
    );
    expect(await messageOf(unsigned('POST', '/test-authenticate', { requiredScopes: ['x_*'] }))).toContain(
      '\n\n```\nx_*\n```\n\n',
    );
    expect(await messageOf(send('PUT', '/roles/x*', { ...role, scopes: ['a_*_*<..>'] }))).toContain(
      '\n\n```\na_*_*<..>\n```\n\n',
    );
    expect(await messageOf(send('PUT', '/roles/x_*_*', { ...role, scopes: ['assume:x_*_y'] }))).toContain(
      'found: `x_*_*` -> `x_*_*`\n',
    );
    expect(await messageOf(send('GET', '/roles/_*_*'))).toContain('role `_*_*` does not exist');
  });

  test('what needs no authority is refused first, and only then the lack of it', async () => {
    expectRefusal(await unsigned('PUT', '/clients/%zz', {}), 400, 'InvalidRequestArguments');
    expectRefusal(await unsigned('PUT', '/clients/x', {}), 400, 'InputValidationError');
    expectRefusal(await unsigned('PUT', '/clients/static%2Fx', client), 400, 'InputError');
    expectRefusal(await unsigned('PUT', '/clients/x', { ...client, scopes: ['a**'] }), 400, 'InputError');
    expectRefusal(await unsigned('POST', '/clients/x', client), 404, 'ResourceNotFound');
    expectRefusal(await unsigned('POST', '/roles/x', role), 404, 'ResourceNotFound');
    expectRefusal(
      await unsigned('PUT', '/roles/x', { ...role, scopes: ['assume:x'] }),
      403,
      'InsufficientScopes',
    );
  });

  test('where the scopes need only the URL, their lack comes before what the method would say', async () => {
    expectRefusal(await unsigned('POST', '/clients/x/disable'), 403, 'InsufficientScopes');
    expectRefusal(await unsigned('DELETE', '/clients/static%2Fx'), 403, 'InsufficientScopes');
    expectRefusal(await unsigned('GET', '/clients/x'), 403, 'InsufficientScopes');
  });
});
