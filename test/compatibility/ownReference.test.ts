import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import taskcluster from 'taskcluster-client';
import { grantMethods, grantSchemas } from '../grantMethods.ts';
import { serveEndpoints } from '../serveEndpoints.ts';
import { type OfficialClient, ROOT, startService, type TestService } from '../startService.ts';

type CreateClient = (reference: object) => new (options: object) => OfficialClient;
const older = createRequire(import.meta.url)('taskcluster-client-3') as { createClient: CreateClient };

let service: TestService;
let own: Awaited<ReturnType<typeof serveEndpoints>>;
let reference: object;
beforeAll(async () => {
  service = await startService();
  own = await serveEndpoints(service, { endpoints: grantMethods, schemas: grantSchemas });
  reference = (await (await fetch(`${own.rootUrl}/references/authledger/v1/api.json`)).json()) as object;
});
afterAll(async () => {
  await own.close();
  await service.remove();
});

describe.each([
  ['taskcluster-client 87', taskcluster.createClient, () => ({ rootUrl: own.rootUrl })],
  ['taskcluster-client 3', older.createClient, () => ({ baseUrl: `${own.rootUrl}/api/authledger/v1` })],
] as const)('a client that %s makes from the reference of our own methods', (_, createClient, address) => {
  const connect = (credentials?: object): OfficialClient =>
    new (createClient(reference))({ ...address(), credentials, retries: 0 });

  test('calls them with parameters, a query and a body', async () => {
    const client = connect(ROOT);
    expect(await client['grant']!('some:role/*')).toEqual({ roleId: 'some:role/*' });
    const at = '2024-01-01T01:00:00+01:00';
    expect(await client['grant']!('a', { at })).toEqual({ roleId: 'a', at });
    expect(await client['findGrants']!({ scopes: ['b'] })).toMatchObject({ expanded: { scopes: ['b'] } });
  });

  test('is refused without credentials', async () => {
    await expect(connect()['grant']!('a')).rejects.toMatchObject({
      statusCode: 403,
      code: 'InsufficientScopes',
    });
  });
});

test('the reference that the service publishes can be made a client of', async () => {
  const published = await fetch(`${service.rootUrl}/references/authledger/v1/api.json`);
  const Client = taskcluster.createClient((await published.json()) as object);
  expect(new Client({ rootUrl: service.rootUrl, credentials: ROOT })).toBeInstanceOf(Client);
});
