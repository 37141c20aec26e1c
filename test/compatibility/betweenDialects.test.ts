import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { rawRequest } from '../rawRequest.ts';
import { authorizationFor, signedFetch } from '../signed.ts';
import { type StorageDouble, startStorageDouble } from '../services/storageDouble.ts';
import { type Credentials, minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';

const secret = 'secret-of-the-tests-0123456789-abcdefgh';
let double: StorageDouble;
let service: TestService;
beforeAll(async () => {
  double = await startStorageDouble();
  const key = Buffer.from('the-key-of-an-account').toString('base64');
  service = await startService({
    AZURE_ACCOUNTS: JSON.stringify({ doubled: { key, blobEndpoint: double.endpoint } }),
    STATSUM: JSON.stringify({ secret, baseUrl: 'https://statsum.example.com' }),
    WEBHOOKTUNNEL: JSON.stringify({ secret, proxyUrl: 'https://tunnel.example.com' }),
  });
});
afterAll(async () => {
  await service.remove();
  double.close();
});

const clientWith = async (clientId: string, scopes: string[]): Promise<Credentials> => {
  const settings = { description: '', expires: minutesFromNow(60), scopes };
  const { accessToken } = await service.current()['createClient']!(clientId, settings);
  return { clientId, accessToken };
};
const get = (path: string, credentials = ROOT) => signedFetch(service.rootUrl + path, credentials);

describe('clients that call /v1 as of late 2018', () => {
  test('list clients in pages, and in one list where they ask for no page', async () => {
    const ids = ['page/1', 'page/2', 'page/3', 'page/4', 'page/5'];
    for (const clientId of ids) await clientWith(clientId, []);
    const list = '/v1/clients/?prefix=page%2F';
    const idsIn = (clients: { clientId: string }[]): string[] => clients.map(({ clientId }) => clientId);
    type Page = { clients: { clientId: string }[]; continuationToken?: string };

    const listed: string[] = [];
    let more = '&limit=2';
    for (let pages = 0; more !== '' && pages < 10; pages += 1) {
      const { clients, continuationToken } = (await get(list + more)).body as unknown as Page;
      expect(clients.length).toBeLessThanOrEqual(2);
      listed.push(...idsIn(clients));
      more = continuationToken === undefined ? '' : `&limit=2&continuationToken=${continuationToken}`;
    }
    expect(listed).toEqual(ids);

    const { continuationToken } = (await get(`${list}&limit=1`)).body as unknown as Page;
    const rest = (await get(`${list}&continuationToken=${continuationToken}`)).body as unknown as Page;
    expect(rest).toEqual({ clients: expect.any(Array) });
    expect(idsIn(rest.clients)).toEqual(ids.slice(1));
    expect(await get(`${list}&limit=1000`)).toEqual(await get(`/api/auth${list}&limit=1000`));

    const all = (await get(list)).body as unknown as Page['clients'];
    expect(idsIn(all)).toEqual(ids);
    expect((await get(`${list}&limit=0`)).body.code).toBe('InvalidRequestArguments');
  });

  test('list containers of Azure', async () => {
    double.answer = (response) =>
      response
        .writeHead(200, { 'content-type': 'application/xml' })
        .end(
          `<?xml version="1.0"?><EnumerationResults ServiceEndpoint="${double.endpoint}"><Containers><Container><Name>some-container</Name><Properties/></Container></Containers><NextMarker/></EnumerationResults>`,
        );
    const lister = await clientWith('lister', ['auth:azure-container:list-containers:doubled']);
    expect(await get('/v1/azure/doubled/containers', lister)).toEqual({
      status: 200,
      body: { containers: ['some-container'] },
    });
    const other = await clientWith('other', ['auth:azure-container:list-containers:other']);
    expect((await get('/v1/azure/doubled/containers', other)).body.code).toBe('InsufficientScopes');
  });
});

describe('clients that call /api/auth/v1 as of 2019', () => {
  async function expandWithGet(at: TestService, credentials?: Credentials) {
    const url = `${at.rootUrl}/api/auth/v1/scopes/expand`;
    const authorization = credentials && { authorization: authorizationFor(url, 'GET', credentials) };
    const headers = { 'content-type': 'application/json', ...authorization };
    const { status, text, body } = await rawRequest(url, { headers, body: '{"scopes":["b","a"]}' });
    return { status, text, code: body.code };
  }

  test('expand scopes with GET, with the scope for reading', async () => {
    const expander = await clientWith('expander', ['auth:expand-scopes']);
    expect(await expandWithGet(service, expander)).toMatchObject({
      status: 200,
      text: '{"scopes":["a","b"]}',
    });
    expect(await expandWithGet(service)).toMatchObject({ status: 403, code: 'InsufficientScopes' });
    const open = await startService({ READ_ACCESS: 'open' });
    try {
      expect(await expandWithGet(open)).toMatchObject({ status: 200 });
    } finally {
      await open.remove();
    }
  });

  test('get tokens of statsum and of webhooktunnel, with their scopes', async () => {
    const caller = await clientWith('caller', ['auth:statsum:one', 'auth:webhooktunnel']);
    const statsum = (await get('/api/auth/v1/statsum/one/token', caller)).body;
    expect(statsum).toMatchObject({ project: 'one', baseUrl: 'https://statsum.example.com' });
    expect(jwt.verify(statsum['token']!, secret)).toMatchObject({ project: 'one' });
    const tunnel = (await get('/api/auth/v1/webhooktunnel', caller)).body;
    expect(tunnel).toMatchObject({ proxyUrl: 'https://tunnel.example.com' });
    expect(jwt.verify(tunnel['token']!, secret)).toMatchObject({ tid: tunnel['tunnelId'] });

    const other = await clientWith('without', ['auth:statsum:two']);
    for (const path of ['statsum/one/token', 'webhooktunnel'])
      expect((await get(`/api/auth/v1/${path}`, other)).body.code).toBe('InsufficientScopes');
  });
});

test('what is served for them only is deprecated in the OpenAPI document, and not in the reference', async () => {
  type Operation = { operationId: string; deprecated?: boolean };
  const openapi = (await get('/openapi.json')).body as unknown as {
    paths: Record<string, Record<string, Operation>>;
  };
  for (const [path, operationId] of [
    ['/v1/azure/{account}/containers', 'azureContainers_v1'],
    ['/api/auth/v1/scopes/expand', 'expandScopesGet'],
    ['/api/auth/v1/statsum/{project}/token', 'statsumToken'],
    ['/api/auth/v1/webhooktunnel', 'webhooktunnelToken'],
  ] as const)
    expect(openapi.paths[path]!['get']).toMatchObject({ operationId, deprecated: true });
  for (const path of ['/v1/statsum/{project}/token', '/v1/webhooktunnel'])
    expect(openapi.paths[path]!['get']!.deprecated).toBeUndefined();

  const { entries } = (await get('/references/auth/v1/api.json')).body as unknown as {
    entries: { name: string }[];
  };
  const names = entries.map(({ name }) => name);
  for (const name of ['expandScopesGet', 'statsumToken', 'webhooktunnelToken'])
    expect(names).not.toContain(name);
});
