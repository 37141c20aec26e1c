import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readServiceSetting } from '../../src/config/serviceSettings.ts';
import { azureTables } from '../../src/services/azureTables.ts';
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
  const AZURE_ACCOUNTS = JSON.stringify({ public1: key, doubled: { key, tableEndpoint: double.endpoint } });
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
const answerJson = (status: number, body: object, headers: Record<string, string> = {}): void => {
  double.answer = (response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
};
const answerError = (status: number, code: string): void =>
  answerJson(status, { 'odata.error': { code, message: { lang: 'en-US', value: secret } } });

describe.each(['older', 'current'] as const)('azureTableSAS, %s', (dialect) => {
  test('gives a signature to read a table, from a while ago until in 25 minutes, and records it', async () => {
    const credentials = await client(`reader/${dialect}`, ['auth:azure-table:read-only:public1/someTable']);
    const before = Date.now();
    const { sas, expiry } = await service[dialect](credentials)['azureTableSAS']!(
      'public1',
      'someTable',
      'read-only',
    );
    const { st, se, sig, sv: _, ...values } = valuesOf(sas);
    expect(values).toEqual({ tn: 'someTable', sp: 'r', spr: 'https' });
    expect(sig).toMatch(/./);
    const end = Date.parse(expiry);
    expect(end).toBeGreaterThanOrEqual(inSeconds(before + 25 * MINUTE));
    expect(end).toBeLessThanOrEqual(Date.now() + 25 * MINUTE);
    expect([Date.parse(se!), Date.parse(st!)]).toEqual([end, end - 40 * MINUTE]);
    const [event] = (await issued(service, 'azure-tables')).slice(-1);
    expect(event!.metadata.actor).toBe(credentials.clientId);
    expect(event!.data).toEqual({
      service: 'azure-tables',
      target: 'public1/someTable',
      level: 'read-only',
      expires: expiry,
    });
    await expect(
      service[dialect](credentials)['azureTableSAS']!('public1', 'someTable', 'read-write'),
    ).rejects.toMatchObject({ code: 'InsufficientScopes' });
  });

  test('lets those read who may write, and nobody another table', async () => {
    const scope = 'auth:azure-table:read-write:public1/someTable';
    const caller = service[dialect](await client(`writer/${dialect}`, [scope]));
    const { sas } = await caller['azureTableSAS']!('public1', 'someTable', 'read-only');
    expect(valuesOf(sas)['sp']).toBe('r');
    await expect(caller['azureTableSAS']!('public1', 'otherTable', 'read-only')).rejects.toMatchObject({
      code: 'InsufficientScopes',
    });
  });
});

describe('azureTableSAS', () => {
  const ask = (...args: string[]) => service.current()['azureTableSAS']!(...args);

  test("ends with the caller's own credentials", async () => {
    const expires = minutesFromNow(5);
    const caller = service.current(await client('short', ['auth:azure-table:*'], expires));
    const { sas, expiry } = await caller['azureTableSAS']!('public1', 'someTable', 'read-only');
    expect(Date.parse(expiry)).toBe(inSeconds(Date.parse(expires)));
    expect(Date.parse(valuesOf(sas)['se']!)).toBe(Date.parse(expiry));
  });

  test.each([
    ['there was none', 201, ''],
    ['there is one', 409, 'TableAlreadyExists'],
  ])('makes sure that there is a table to write to where %s', async (_, status, code) => {
    answerError(status, code);
    double.asked();
    const { sas } = await ask('doubled', 'someTable', 'read-write');
    expect(valuesOf(sas)).toMatchObject({ tn: 'someTable', sp: 'raud' });
    expect(double.asked()).toEqual([expect.stringMatching(/^POST \/Tables/)]);
  });

  sasContract({
    name: 'azure-tables',
    kind: 'table',
    target: 'someTable',
    readPermissions: 'r',
    beingDeleted: 'TableBeingDeleted',
    wrong: [
      ['Public1', 'someTable', 'read-only'],
      ['public1', 'no', 'read-only'],
      ['public1', '1table', 'read-only'],
      ['public1', 'some-table', 'read-only'],
      ['public1', 'Tables', 'read-only'],
      ['public1', 't'.repeat(64), 'read-only'],
      ['public1', 'someTable', 'read-more'],
    ],
    ask,
    list: (account) => service.older()['azureTables']!(account),
    answerError,
    running: () => ({ service, double }),
  });
});

describe('azureAccounts', () => {
  test('lists the names of the accounts, sorted', async () => {
    const credentials = await client('lister', ['auth:azure-table:list-accounts']);
    for (const caller of [service.older(credentials), service.current(credentials)])
      expect(await caller['azureAccounts']!()).toEqual({ accounts: ['doubled', 'public1'] });
    const other = service.current(await client('no-lister', ['auth:azure-table:list-tables:*']));
    await expect(other['azureAccounts']!()).rejects.toMatchObject({ code: 'InsufficientScopes' });
  });

  test('lists none where none is configured, to those who have the scope; all other methods are not there', async () => {
    const unconfigured = await startService();
    try {
      const nobody = null;
      for (const dialect of ['older', 'current'] as const) {
        const root = unconfigured[dialect]();
        expect(await root['azureAccounts']!()).toEqual({ accounts: [] });
        await expect(unconfigured[dialect](nobody)['azureAccounts']!()).rejects.toMatchObject({
          code: 'InsufficientScopes',
        });
        for (const ask of [
          root['azureTables']!('account'),
          root['azureTableSAS']!('account', 'table', 'read-only'),
          dialect === 'older'
            ? root['azureBlobSAS']!('account', 'container', 'read-only')
            : root['azureContainers']!('account'),
        ])
          await expect(ask).rejects.toMatchObject({ code: 'ResourceNotFound' });
      }
    } finally {
      await unconfigured.remove();
    }
  });
});

describe('azureTables', () => {
  test.each(['someTable3', '1!68!bGlzdHRhYmxldGVzdHRva2VuMDEwMWQ3NjQ4YjAyNmNlYjQ3'])(
    'goes on with the next page at %s',
    async (next) => {
      const credentials = await client(`pages/${next}`, ['auth:azure-table:list-tables:doubled']);
      const caller = service.older(credentials);
      answerJson(
        200,
        { value: [{ TableName: 'someTable1' }, { TableName: 'someTable2' }] },
        { 'x-ms-continuation-NextTableName': next },
      );
      const page = await caller['azureTables']!('doubled');
      expect(page).toEqual({ tables: ['someTable1', 'someTable2'], continuationToken: next });
      answerJson(200, { value: [{ TableName: 'someTable3' }] });
      double.asked();
      const { continuationToken } = page;
      expect(await caller['azureTables']!('doubled', { continuationToken })).toEqual({
        tables: ['someTable3'],
      });
      const [asked] = double.asked();
      expect(new URL(asked!.split(' ')[1]!, double.endpoint).searchParams.get('NextTableName')).toBe(next);
    },
  );

  test('refuses a continuationToken that is none', async () => {
    const asking = service.older()['azureTables']!('doubled', { continuationToken: '../x' });
    await expect(asking).rejects.toMatchObject({ code: 'InvalidRequestArguments' });
  });
});

test.each([
  ['azureTables', {}],
  ['azureTableSAS', { table: 'someTable', level: 'read-write' }],
])('%s gives up when there is no more time', async (method, params) => {
  const accounts = await azureTables.open({ doubled: { key, tableEndpoint: double.endpoint } });
  const endpoint = azureTables.endpoints.find(({ name }) => name === method)!;
  const late = new AbortController();
  double.answer = () => late.abort();
  const asked = { params: { account: 'doubled', ...params }, query: {}, signal: late.signal };
  const request = asked as unknown as GuardedRequest;
  const asking = 'read' in endpoint ? endpoint.read(accounts, request) : endpoint.issue(accounts, request);
  await expect(asking).rejects.toThrow(/abort/);
});

describe('AZURE_ACCOUNTS', () => {
  const read = (setting: object) =>
    readServiceSetting('AZURE_ACCOUNTS', { text: JSON.stringify(setting), ...azureTables });

  test('is a key for each account, also with endpoints', () => {
    const blobEndpoint = 'https://acc2.blob.example.com/';
    const setting = { acc1: key, acc2: { key }, acc3: { key, blobEndpoint } };
    expect(read(setting)).toEqual(setting);
  });

  test.each([
    [{ acc1: 'canary' }, 'AZURE_ACCOUNTS{entry 1} must match pattern'],
    [{ acc1: { key: 'canary' } }, 'AZURE_ACCOUNTS{entry 1}.key must match pattern'],
    [{}, 'AZURE_ACCOUNTS must NOT have fewer than 1 properties'],
    [{ acc1: {} }, "AZURE_ACCOUNTS{entry 1} must have required property 'key'"],
    [{ acc1: 1 }, 'AZURE_ACCOUNTS{entry 1} must be string,object'],
    [{ 'canary-account': key }, 'AZURE_ACCOUNTS has a name that is not possible'],
    [
      { acc1: { key, tableEndpoint: 'https://x.example.com/?sig=canary' } },
      'AZURE_ACCOUNTS{entry 1}.tableEndpoint must be an https address',
    ],
    [
      { acc1: { key, canary: 1 } },
      'AZURE_ACCOUNTS{entry 1} has a property that is not known here; known: key, blobEndpoint, tableEndpoint',
    ],
  ])('is refused by its place, without its value: %#', (setting, message) => {
    expect(() => read(setting)).toThrow(message);
    expect(() => read(setting)).not.toThrow(/canary/);
  });
});
