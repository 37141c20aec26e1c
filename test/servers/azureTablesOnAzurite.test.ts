import {
  AzureNamedKeyCredential,
  AzureSASCredential,
  TableClient,
  TableServiceClient,
} from '@azure/data-tables';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { azureTables } from '../../src/services/azureTables.ts';
import { type Account, refused, serviceOnAzurite } from './serviceOnAzurite.ts';
import { whereServersRun } from './whereServersRun.ts';

const dialects = ['older', 'current'] as const;
const options = { allowInsecureConnection: true, retryOptions: { maxRetries: 0 } };
const entity = (rowKey: string, value = 1) => ({ partitionKey: 'p', rowKey, value });

whereServersRun(['azurite'], 'the SAS of a table on Azurite', () => {
  let on: Awaited<ReturnType<typeof serviceOnAzurite>>;
  beforeAll(async () => {
    on = await serviceOnAzurite();
  }, 60_000);
  afterAll(() => on?.remove());

  const withSas = (sas: string, table: string, account: Account = 'acc1') =>
    new TableClient(on.tableEndpoint(account), table, new AzureSASCredential(sas), options);
  const owner = (account: Account = 'acc1') => {
    const credential = new AzureNamedKeyCredential(account, on.keys[account]);
    return new TableServiceClient(on.tableEndpoint(account), credential, options);
  };
  const tablesNow = async (): Promise<string[]> => {
    const names: string[] = [];
    for await (const { name } of owner().listTables()) names.push(name!);
    return names;
  };
  const rootSas = async (table: string): Promise<string> =>
    (await on.service.current()['azureTableSAS']!('acc1', table, 'read-write')).sas;

  test.each(dialects)(
    'reads and writes where it is read-write, and the table is created, %s',
    async (dialect) => {
      const table = `written${dialect}`;
      const credentials = await on.client(`writer/${dialect}`, `auth:azure-table:read-write:acc1/${table}`);
      const ask = () => on.service[dialect](credentials)['azureTableSAS']!('acc1', table, 'read-write');
      expect(await tablesNow()).not.toContain(table);
      const tables = withSas((await ask()).sas, table);
      expect(await tablesNow()).toContain(table);
      await tables.createEntity(entity('a'));
      await tables.updateEntity(entity('a', 2));
      expect(await tables.getEntity('p', 'a')).toMatchObject({ value: 2 });
      const again = withSas((await ask()).sas, table);
      await again.deleteEntity('p', 'a');
      await expect(again.getEntity('p', 'a')).rejects.toMatchObject({ statusCode: 404 });
    },
  );

  test.each(dialects)(
    'reads and does not write where it is read-only, and no table is created, %s',
    async (dialect) => {
      const table = `read${dialect}`;
      const credentials = await on.client(`reader/${dialect}`, `auth:azure-table:read-only:acc1/${table}`);
      const { sas } = await on.service[dialect](credentials)['azureTableSAS']!('acc1', table, 'read-only');
      expect(await tablesNow()).not.toContain(table);
      const written = withSas(await rootSas(table), table);
      await written.createEntity(entity('a'));
      const tables = withSas(sas, table);
      expect(await tables.getEntity('p', 'a')).toMatchObject({ value: 1 });
      await expect(tables.createEntity(entity('b'))).rejects.toMatchObject(refused);
      await expect(tables.updateEntity(entity('a', 2))).rejects.toMatchObject(refused);
      await expect(tables.deleteEntity('p', 'a')).rejects.toMatchObject(refused);
      expect(await written.getEntity('p', 'a')).toMatchObject({ value: 1 });
    },
  );

  test('is refused by another table and another account', async () => {
    await owner().createTable('foreign');
    await owner('acc2').createTable('own');
    const sas = await rootSas('own');
    await withSas(sas, 'own').createEntity(entity('a'));
    for (const tables of [withSas(sas, 'foreign'), withSas(sas, 'own', 'acc2')]) {
      await expect(tables.createEntity(entity('a'))).rejects.toMatchObject(refused);
      await expect(tables.getEntity('p', 'a')).rejects.toMatchObject(refused);
    }
  });

  test('is refused once it has expired', async () => {
    const sasAsOf = (minutesAgo: number) =>
      on.sasAsOf(minutesAgo, azureTables, ['azureTableSAS', { table: 'expiring', level: 'read-write' }]);
    await withSas(await sasAsOf(24), 'expiring').createEntity(entity('a'));
    const expired = withSas(await sasAsOf(26), 'expiring');
    await expect(expired.getEntity('p', 'a')).rejects.toMatchObject(refused);
  });

  test('all tables of an account are listed, page by page', async () => {
    const many = Array.from({ length: 1001 }, (_, i) => `many${i}`);
    const tables = owner('acc2');
    for (let i = 0; i < many.length; i += 40)
      await Promise.all(many.slice(i, i + 40).map((name) => tables.createTable(name)));
    const auth = on.service.current();
    const first = await auth['azureTables']!('acc2');
    expect(first.tables).toHaveLength(1000);
    const { continuationToken } = first;
    const last = await auth['azureTables']!('acc2', { continuationToken });
    expect(last).toEqual({ tables: expect.any(Array) });
    expect([...first.tables, ...last.tables]).toEqual(expect.arrayContaining(many));
  });
});
