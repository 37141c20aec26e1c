import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { azureContainers } from '../../src/services/azureContainers.ts';
import type { GuardedRequest } from '../../src/services/guardedService.ts';
import { minutesFromNow, startService, type TestService } from '../startService.ts';
import { issued } from './issued.ts';
import { sasContract, valuesOf } from './sasContract.ts';
import { type StorageDouble, startStorageDouble } from './storageDouble.ts';

const MINUTE = 60_000;
const key = Buffer.from('canary-of-the-key-of-an-account').toString('base64');
const secret = 'canary-that-azure-says';
let double: StorageDouble;
let service: TestService;
beforeAll(async () => {
  double = await startStorageDouble();
  const AZURE_ACCOUNTS = JSON.stringify({ public1: key, doubled: { key, blobEndpoint: double.endpoint } });
  service = await startService({ AZURE_ACCOUNTS });
});
afterAll(async () => {
  await service.remove();
  double.close();
});

const client = async (clientId: string, scopes: string[], expires = minutesFromNow(60)) => {
  const settings = { description: '', expires, scopes };
  const { accessToken } = await service.current()['createClient']!(clientId, settings);
  return { clientId, accessToken };
};
const inSeconds = (time: number): number => Math.floor(time / 1000) * 1000;
const answerXml = (status: number, body = '', headers: Record<string, string> = {}): void => {
  double.answer = (response) =>
    response.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(body);
};
const answerError = (status: number, code: string): void =>
  answerXml(status, `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${secret}</Message></Error>`, {
    'x-ms-error-code': code,
  });

const dialects = [
  ['azureBlobSAS', 'older', 'auth:azure-blob', 'auth:azure-container'],
  ['azureContainerSAS', 'current', 'auth:azure-container', 'auth:azure-blob'],
] as const;

describe.each(dialects)('%s', (method, dialect, scope, scopeOfTheOther) => {
  const connect = async (name: string, scopes: string[], expires?: string) => {
    const official = service[dialect](await client(`${name}/${dialect}`, scopes, expires));
    return (...args: string[]) => official[method]!(...args);
  };

  test('gives a signature to read and list, from a while ago until in 25 minutes, and records it', async () => {
    const ask = await connect('reader', [`${scope}:read-only:public1/some-container`]);
    const before = Date.now();
    const { sas, expiry } = await ask('public1', 'some-container', 'read-only');
    const { st, se, sig, sv: _, ...values } = valuesOf(sas);
    expect(values).toEqual({ sr: 'c', sp: 'rl', spr: 'https' });
    expect(sig).toMatch(/./);
    const end = Date.parse(expiry);
    expect(end).toBeGreaterThanOrEqual(inSeconds(before + 25 * MINUTE));
    expect(end).toBeLessThanOrEqual(Date.now() + 25 * MINUTE);
    expect([Date.parse(se!), Date.parse(st!)]).toEqual([end, end - 40 * MINUTE]);
    const [event] = (await issued(service, 'azure-containers')).slice(-1);
    expect(event!.metadata.actor).toBe(`reader/${dialect}`);
    expect(event!.data).toEqual({
      service: 'azure-containers',
      target: 'public1/some-container',
      level: 'read-only',
      expires: expiry,
    });
    await expect(ask('public1', 'some-container', 'read-write')).rejects.toMatchObject({
      code: 'InsufficientScopes',
    });
  });

  test('lets those read who may write, nobody another container, and nobody with the scope of the other method', async () => {
    const ask = await connect('writer', [
      `${scope}:read-write:public1/some-container`,
      `${scopeOfTheOther}:*`,
    ]);
    expect(valuesOf((await ask('public1', 'some-container', 'read-only')).sas)['sp']).toBe('rl');
    await expect(ask('public1', 'other-container', 'read-only')).rejects.toMatchObject({
      code: 'InsufficientScopes',
    });
  });

  test("ends with the caller's own credentials", async () => {
    const expires = minutesFromNow(5);
    const ask = await connect('short', [`${scope}:*`], expires);
    const { sas, expiry } = await ask('public1', 'some-container', 'read-only');
    expect(Date.parse(expiry)).toBe(inSeconds(Date.parse(expires)));
    expect(Date.parse(valuesOf(sas)['se']!)).toBe(Date.parse(expiry));
  });

  test.each([
    ['there was none', 201, ''],
    ['there is one', 409, 'ContainerAlreadyExists'],
  ])('makes sure that there is a container to write to where %s', async (_, status, code) => {
    answerError(status, code);
    double.asked();
    const { sas } = await service[dialect]()[method]!('doubled', 'some-container', 'read-write');
    expect(valuesOf(sas)).toMatchObject({ sr: 'c', sp: 'racwdl' });
    expect(double.asked()).toEqual(['PUT /some-container?restype=container']);
  });
});

describe('azureContainerSAS', () => {
  const ask = (...args: string[]) => service.current()['azureContainerSAS']!(...args);

  sasContract({
    name: 'azure-containers',
    kind: 'container',
    target: 'some-container',
    readPermissions: 'rl',
    beingDeleted: 'ContainerBeingDeleted',
    wrong: [
      ['Public1', 'some-container', 'read-only'],
      ['public1', 'no', 'read-only'],
      ['public1', '-container', 'read-only'],
      ['public1', 'container-', 'read-only'],
      ['public1', 'some--container', 'read-only'],
      ['public1', 'someContainer', 'read-only'],
      ['public1', '$root', 'read-only'],
      ['public1', 'c'.repeat(64), 'read-only'],
      ['public1', 'some-container', 'read-more'],
    ],
    ask,
    list: (account) => service.current()['azureContainers']!(account),
    answerError,
    running: () => ({ service, double }),
  });
});

describe('azureContainers', () => {
  test('goes on with the next page, whatever Azure calls it', async () => {
    const caller = service.current(await client('pages', ['auth:azure-container:list-containers:doubled']));
    const next = '/doubled/some-container+2=';
    const page = (name: string, marker: string): string =>
      `<?xml version="1.0"?><EnumerationResults ServiceEndpoint="${double.endpoint}"><Containers><Container><Name>${name}</Name><Properties/></Container></Containers><NextMarker>${marker}</NextMarker></EnumerationResults>`;
    answerXml(200, page('some-container-1', next));
    const first = await caller['azureContainers']!('doubled');
    expect(first).toEqual({ containers: ['some-container-1'], continuationToken: next });
    answerXml(200, page('some-container-2', ''));
    double.asked();
    const { continuationToken } = first;
    expect(await caller['azureContainers']!('doubled', { continuationToken })).toEqual({
      containers: ['some-container-2'],
    });
    const [asked] = double.asked();
    expect(new URL(asked!.split(' ')[1]!, double.endpoint).searchParams.get('marker')).toBe(next);
  });

  test('needs the scope of the account', async () => {
    const caller = service.current(await client('other', ['auth:azure-container:list-containers:other']));
    await expect(caller['azureContainers']!('doubled')).rejects.toMatchObject({ code: 'InsufficientScopes' });
  });
});

test.each([
  ['azureContainers', {}],
  ['azureContainerSAS', { container: 'some-container', level: 'read-write' }],
])('%s gives up when there is no more time', async (method, params) => {
  const accounts = await azureContainers.open({ doubled: { key, blobEndpoint: double.endpoint } });
  const endpoint = azureContainers.endpoints.find(({ name }) => name === method)!;
  const late = new AbortController();
  double.answer = () => late.abort();
  const asked = { params: { account: 'doubled', ...params }, query: {}, signal: late.signal };
  const request = asked as unknown as GuardedRequest;
  const asking = 'read' in endpoint ? endpoint.read(accounts, request) : endpoint.issue(accounts, request);
  await expect(asking).rejects.toThrow(/abort/);
});
