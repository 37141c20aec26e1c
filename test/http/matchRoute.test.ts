import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Endpoint, servedIn, URL_PREFIX } from '../../src/http/endpoint.ts';
import { rawRequest } from '../rawRequest.ts';
import { authorizationFor } from '../signed.ts';
import { minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';

const secret = 'secret-of-the-tests-0123456789-abcdefgh';
const tester = { clientId: 'tester', accessToken: 'no-secret' };
let service: TestService;
beforeAll(async () => {
  service = await startService({
    STATSUM: JSON.stringify({ secret, baseUrl: 'https://statsum.example.com' }),
    WEBHOOKTUNNEL: JSON.stringify({ secret, proxyUrl: 'https://tunnel.example.com' }),
    WEBSOCKTUNNEL: JSON.stringify({ secret }),
  });
});
afterAll(() => service.remove());

/** A body that each input schema takes. */
const bodies: Record<string, object> = {
  'create-client-request': { description: '', expires: minutesFromNow(60), scopes: ['a'] },
  'create-role-request': { description: '', scopes: ['a'] },
  scopeset: { scopes: ['a'] },
  'older-scopeset': { scopes: ['a'] },
  'test-authenticate-request': { clientScopes: ['a'], requiredScopes: ['a'] },
  'older-test-authenticate-request': {},
  'explain-request': { subject: { scopes: ['a'] }, expression: 'a' },
  'who-can-request': { expression: 'a' },
  'what-changed-request': { from: '2020-01-01T00:00:00Z' },
  'github-repo-token-request': { repositories: ['a'], permissions: { contents: 'read' } },
  'authenticate-hawk-request': { method: 'get', resource: '/', host: 'example.com', port: 80 },
  'older-authenticate-hawk-request': { method: 'get', resource: '/', host: 'example.com', port: 80 },
};

/** Path parameters that are not ids of clients and roles. */
const parameters: Record<string, string> = {
  entityType: 'client',
  account: 'account',
  container: 'some-container',
  table: 'table',
  project: 'some-project',
  level: 'read-only',
  wstClient: 'some-client',
  wstAudience: 'some-audience',
};

async function ask(method: string, path: string, body?: object) {
  const url = service.rootUrl + path;
  const credentials = path.includes('/test-authenticate') ? tester : ROOT;
  const reply = await rawRequest(url, {
    method,
    path,
    headers: {
      authorization: authorizationFor(url, method, credentials),
      'content-type': 'application/json',
    },
    body: body && JSON.stringify(body),
  });
  const { code, details } = reply.body;
  const isNowhere = reply.body.message?.startsWith('there is nothing at') === true;
  return { status: reply.status, isNowhere, code, details, properties: Object.keys(reply.body).sort() };
}

/** What a method is asked about is there, unless the method makes it. */
async function makeSubject({ name, route }: Endpoint, id: string): Promise<void> {
  if (name.startsWith('create')) return;
  if (route.includes('<clientId>')) await ask('PUT', `/v1/clients/${id}`, bodies['create-client-request']);
  if (route.includes('<roleId>')) await ask('PUT', `/v1/roles/${id}`, bodies['create-role-request']);
}

test('every method of all dialects answers the same with and without a slash at the end of the path', async () => {
  const seen = new Set<number>();
  for (const endpoint of service.service.answering.endpoints.filter(
    ({ takesRest }) => takesRest === undefined,
  )) {
    for (const dialect of servedIn(endpoint)) {
      const methods = endpoint.method === 'get' ? ['GET', 'HEAD'] : [endpoint.method.toUpperCase()];
      for (const method of methods) {
        const askAt = async (end: string) => {
          const id = `${endpoint.name}-${dialect}-${method}-${end === '' ? 'without' : 'with'}`;
          await makeSubject(endpoint, id);
          const route = endpoint.route.replaceAll(/<(\w+)>/g, (_, name: string) => parameters[name] ?? id);
          const path = URL_PREFIX[dialect] + route.replace(/\/$/, '') + end;
          return ask(method, path, endpoint.input === undefined ? undefined : bodies[endpoint.input]);
        };
        const [without, withSlash] = [await askAt(''), await askAt('/')];
        const asked = { name: endpoint.name, dialect, method };
        expect({ ...asked, ...withSlash }).toEqual({ ...asked, ...without });
        expect({ ...asked, ...withSlash }).toMatchObject({ ...asked, isNowhere: false });
        seen.add(without.status);
        // A service of others that is not configured here is the only thing that is not found.
        if (without.status === 404 && method === 'GET')
          expect(endpoint.route).toMatch(/^\/(azure|gcp|github|sentry)/);
      }
    }
  }
  expect([...seen].sort()).toEqual([200, 204, 404]);
});

test('so do the documents', async () => {
  for (const path of [
    '/openapi.json',
    '/references/auth/v1/api.json',
    '/references/authledger/v1/api.json',
    '/schemas/auth/v1/scopeset.json',
  ]) {
    const [without, withSlash] = [await ask('GET', path), await ask('GET', `${path}/`)];
    expect(withSlash).toEqual(without);
    expect(without.status).toBe(200);
  }
});

describe('only the path itself is served', () => {
  test.each([
    '/api/auth/v1//ping',
    '/api/auth/v1/ping//',
    '//api/auth/v1/ping',
    '/api/auth/v1/Ping',
    '/API/auth/v1/ping',
    '/api/auth/v1/roles/a//',
    '/api/auth/v1/clients//reset',
    '/api/auth/v1/aws/s3/read-only',
    '/api/auth/v1/aws/s3/read-only/',
    '/api/auth/v1/aws/s3/read-only//a',
    '/api/auth/v1',
    '/api/auth/v1/',
    '/OpenAPI.json',
    '//openapi.json',
    '/openapi.json//',
  ])('and %s is not', async (path) => {
    expect(await ask('GET', path)).toMatchObject({ status: 404, isNowhere: true });
  });
});
