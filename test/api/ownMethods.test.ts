import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { makeMatchRoute } from '../../src/http/matchRoute.ts';
import { grantMethods, grantSchemas, pastMethod } from '../grantMethods.ts';
import { rawRequest } from '../rawRequest.ts';
import { serveEndpoints } from '../serveEndpoints.ts';
import { signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';

const OWN = '/api/authledger/v1';
/** Our own methods that every service has. */
const PUBLISHED = ['explain', 'whoCan', 'whatChanged', 'history'];
const declared = { endpoints: [...grantMethods, pastMethod], schemas: grantSchemas };

let service: TestService;
let own: Awaited<ReturnType<typeof serveEndpoints>>;
let nobody: Credentials;
let reader: Credentials;
beforeAll(async () => {
  service = await startService();
  own = await serveEndpoints(service, declared);
  const client = async (clientId: string, scopes: string[]): Promise<Credentials> => {
    const settings = { description: '', expires: minutesFromNow(60), scopes };
    const { accessToken } = await service.current()['createClient']!(clientId, settings);
    return { clientId, accessToken };
  };
  nobody = await client('nobody', []);
  reader = await client('reader', ['authledger:read-grant:a*', 'authledger:change-grant:a']);
});
afterAll(async () => {
  await own.close();
  await service.remove();
});

const get = async (path: string): Promise<never> => (await (await fetch(own.rootUrl + path)).json()) as never;

describe.each([undefined, 'published', 'open', 'guarded'] as const)('with READ_ACCESS=%s', (readAccess) => {
  let rootUrl: string;
  let close: () => Promise<void>;
  beforeAll(async () => {
    ({ rootUrl, close } = await serveEndpoints(service, { ...declared, readAccess }));
  });
  afterAll(() => close());

  test('a method of our own that reads asks for its scopes', async () => {
    const url = `${rootUrl}${OWN}/grants/a`;
    expect((await fetch(url)).status).toBe(403);
    expect(await signedFetch(url, nobody)).toMatchObject({
      status: 403,
      body: { details: { missing: ['authledger:read-grant:a'] } },
    });
    expect(await signedFetch(url, reader)).toMatchObject({ status: 200, body: { roleId: 'a' } });
    expect((await signedFetch(`${rootUrl}${OWN}/grants/b`, reader)).status).toBe(403);
  });

  test('a change of our own says nothing to who lacks the scope that the URL alone asks for', async () => {
    const change = (credentials: Credentials) =>
      signedFetch(`${rootUrl}${OWN}/grants/a`, credentials, { method: 'POST' });
    expect(await change(nobody)).toMatchObject({
      status: 403,
      body: { details: { required: 'authledger:change-grant:a' } },
    });
    expect((await change(reader)).status).toBe(404);
  });
});

test('a method of our own without scopes is a mistake that no service starts with', () => {
  const open = { ...grantMethods[0]!, name: 'open', scopes: undefined };
  expect(() => makeMatchRoute([open])).toThrow(
    'open declares no scopes, as every method at /api/authledger/v1 must',
  );
});

test('a method of our own is below its prefix only, for every verb that it has', async () => {
  for (const prefix of ['/v1', '/api/auth/v1'])
    expect((await signedFetch(`${own.rootUrl}${prefix}/grants/a`, ROOT)).status).toBe(404);
  const { status, headers } = await rawRequest(`${own.rootUrl}${OWN}/grants/a`, {
    method: 'OPTIONS',
    headers: { origin: 'https://example.com' },
  });
  expect({ status, origin: headers['access-control-allow-origin'] }).toEqual({ status: 204, origin: '*' });
});

test('a request without the scopes is logged with the route', async () => {
  await signedFetch(`${own.rootUrl}${OWN}/grants/denied`, nobody);
  const lines = service
    .logged()
    .split('\n')
    .filter((line) => line.includes('/grants/denied'));
  expect(JSON.parse(lines[0]!)).toMatchObject({
    denied: 'scopes',
    method: 'grant',
    route: 'GET /api/authledger/v1/grants/<roleId>',
  });
});

describe('the schemas of bodies of our own', () => {
  test('are served below /schemas/authledger/v1, and errors say so', async () => {
    const url = `${own.rootUrl}${OWN}/grants`;
    const { body } = await signedFetch(url, ROOT, { method: 'POST', body: { scopes: 5 } });
    const schema = '/schemas/authledger/v1/find-grants-request.json';
    expect(body).toMatchObject({ code: 'InputValidationError', details: { schema } });
    expect(await get(schema)).toEqual(grantSchemas['find-grants-request']);
    expect(await get('/schemas/auth/v1/find-grants-request.json')).toMatchObject({
      code: 'ResourceNotFound',
    });
  });

  test('may refer to each other, and to those of the Taskcluster Auth API', async () => {
    const url = `${own.rootUrl}${OWN}/grants`;
    const { body } = await signedFetch(url, ROOT, { method: 'POST', body: { scopes: ['a'] } });
    expect(body).toEqual({ grants: [{ roleId: 'found' }], expanded: { scopes: ['a'] } });
  });
});

type Reference = { entries: { name: string; query: string[]; input?: string; output?: string }[] };

describe('the reference', () => {
  test('of our own methods has them, and names schemas that are served', async () => {
    const reference = (await get('/references/authledger/v1/api.json')) as Reference;
    expect(reference).toMatchObject({ serviceName: 'authledger', apiVersion: 'v1' });
    const names = reference.entries.map(({ name }) => name);
    expect(names).toEqual([...PUBLISHED, ...grantMethods.map(({ name }) => name)]);
    expect(reference.entries.find(({ name }) => name === 'findGrants')).toEqual({
      type: 'function',
      name: 'findGrants',
      method: 'post',
      route: '/grants',
      args: [],
      query: [],
      title: 'Grants of a role',
      description: 'A method of a test.',
      category: 'Grants',
      stability: 'experimental',
      scopes: 'authledger:find-grants',
      input: 'v1/find-grants-request.json#',
      output: 'v1/find-grants-response.json#',
    });
    for (const { input, output } of reference.entries)
      for (const schema of [input, output].filter((name) => name !== undefined))
        expect(await get(`/schemas/authledger/${schema.slice(0, -1)}`)).toMatchObject({
          $id: `/schemas/authledger/${schema}`,
        });
  });

  test('of the Taskcluster Auth API, and the AsyncAPI document, stay as they are', async () => {
    const withOwn = await serveEndpoints(service, { endpoints: grantMethods, schemas: grantSchemas });
    for (const path of ['/references/auth/v1/api.json', '/asyncapi.json']) {
      const [before, after] = [await fetch(service.rootUrl + path), await fetch(withOwn.rootUrl + path)];
      expect(await after.text()).toBe(await before.text());
    }
    await withOwn.close();
  });

  test('shows `at` for our own methods, and not for those of the Taskcluster Auth API', async () => {
    const ofOwn = (await get('/references/authledger/v1/api.json')) as Reference;
    const published = (await get('/references/auth/v1/api.json')) as Reference;
    expect(ofOwn.entries.find(({ name }) => name === 'grant')!.query).toEqual(['at']);
    expect(published.entries.find(({ name }) => name === 'grantCount')!.query).toEqual(['limit']);
  });
});

type Operation = { operationId: string; parameters: { name: string; in: string }[]; responses: object };

describe('the OpenAPI document', () => {
  test('has them, and is valid', async () => {
    const document = (await get('/openapi.json')) as { paths: Record<string, Record<string, Operation>> };
    expect(await new Validator().validate(structuredClone(document))).toMatchObject({ valid: true });
    expect(document.paths[`${OWN}/grants`]!['post']).toMatchObject({
      operationId: 'findGrants',
      'x-taskcluster-scopes': 'authledger:find-grants',
    });
    const refs = JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g);
    const components = (document as unknown as { components: { schemas: object } }).components.schemas;
    const dangling = [...refs].filter(
      ([, ref]) => !Object.hasOwn(components, ref!.replace('#/components/schemas/', '')),
    );
    expect(dangling).toEqual([]);
  });

  test('shows `at` for every method that can answer as of a past moment', async () => {
    const { paths } = (await get('/openapi.json')) as { paths: Record<string, Record<string, Operation>> };
    const withAt = Object.entries(paths).flatMap(([path, operations]) =>
      Object.values(operations)
        .filter(({ parameters }) => parameters.some(({ name }) => name === 'at'))
        .map(() => path),
    );
    expect(withAt).toEqual(
      expect.arrayContaining([`${OWN}/grants/{roleId}`, '/v1/grant-count', '/api/auth/v1/grant-count']),
    );
    expect(withAt).not.toContain('/api/auth/v1/ping');
  });
});

describe('the query parameter `at`', () => {
  const ask = (path: string) => signedFetch(own.rootUrl + path, ROOT);
  const paths = [`${OWN}/grants/a`, '/v1/grant-count', '/api/auth/v1/grant-count'];
  const digits = (count: number): string => '7'.padStart(count, '0');

  test.each(paths)('is a position or a time at %s, as was sent', async (path) => {
    for (const at of [
      `0123456789ab.${digits(20)}`,
      `0123456789ab.${digits(40)}`,
      '2024-02-29T23:59:60Z',
      '2024-02-29t12:00:00.123456789+01:00',
    ]) {
      const { status, body } = await ask(`${path}?at=${encodeURIComponent(at)}`);
      expect({ status, at: body['at'] }).toEqual({ status: 200, at });
    }
  });

  test.each(paths)('is refused at %s if it is neither, or given twice', async (path) => {
    for (const [query, message] of [
      ['at=', 'query parameter "at" must match'],
      ['at=1 2', 'query parameter "at" must match'],
      [`at=${'1'.repeat(65)}`, 'query parameter "at" must match'],
      ['at=1&at=1', 'query parameter "at" is given twice'],
    ]) {
      const { status, body } = await ask(`${path}?${query}`);
      expect({ status, code: body.code }).toEqual({ status: 400, code: 'InvalidRequestArguments' });
      expect(body['message']).toContain(message);
    }
  });

  test('stands beside the parameters that a method declares', async () => {
    expect(await ask('/v1/grant-count?limit=1&at=2024-01-01T00:00:00Z')).toMatchObject({
      status: 200,
      body: { limit: '1', at: '2024-01-01T00:00:00Z' },
    });
  });

  test('is not known to methods that only say what is so now', async () => {
    expect((await ask('/api/auth/v1/scopes/current?at=2024-01-01T00:00:00Z')).body).toMatchObject({
      code: 'InvalidRequestArguments',
      message: expect.stringContaining('query parameter "at" is not known here'),
    });
  });
});
