import type { TableSasPermissions, TableSasSignatureValues, TableServiceClient } from '@azure/data-tables';
import { continuationToken, object, text } from '../../schemas/v1/schemaBuilders.ts';
import {
  ACCOUNT_NAME,
  getAccount,
  type AzureAccountsSetting,
  azureAccountsSetting,
  firstPage,
  openAccounts,
  issuedSas,
  sasResponseSchema,
  sasValidity,
  awaitCreation,
} from './azureAccounts.ts';
import { scopesByLevel, ACCESS_LEVEL } from './accessLevel.ts';
import type { GuardedService } from './guardedService.ts';

type Tables = {
  client: TableServiceClient;
  sign(table: string, values: TableSasSignatureValues): string;
};

/** Azure's rule for names of tables. `tables` is reserved. */
const TABLE_NAME = /^(?![Tt][Aa][Bb][Ll][Ee][Ss]$)[A-Za-z][A-Za-z0-9]{2,62}$/;
/** The name of the next table, plain or in Azure's encoded form, such as `1!12!bmV4dAEwMWQ3`. */
const CONTINUATION_TOKEN = /^([A-Za-z][A-Za-z0-9]{2,62}|\d+!\d+![A-Za-z0-9+/=_-]+)$/;

const READ_ONLY: TableSasPermissions = { query: true };
const READ_WRITE: TableSasPermissions = { query: true, add: true, update: true, delete: true };

/** Lists the tables of Azure storage accounts, and issues shared access signatures (SAS) for one table. */
export const azureTables: GuardedService<AzureAccountsSetting, ReadonlyMap<string, Tables>> = {
  name: 'azure-tables',
  ...azureAccountsSetting,
  schemas: {
    'azure-account-list-response': {
      title: 'The names of accounts',
      ...object({ accounts: { type: 'array', uniqueItems: true, items: text } }),
    },
    'azure-table-list-response': {
      title: 'A page of the names of tables',
      ...object({ tables: { type: 'array', uniqueItems: true, items: text }, continuationToken }, [
        'continuationToken',
      ]),
    },
    'azure-table-access-response': { title: 'A shared access signature of a table', ...sasResponseSchema },
  },
  async open(setting) {
    const { AzureNamedKeyCredential, generateTableSas, TableServiceClient } =
      await import('@azure/data-tables');
    return openAccounts(setting, 'table', ({ name, key, endpoint }) => {
      const credential = new AzureNamedKeyCredential(name, key);
      const isPlain = endpoint.startsWith('http:');
      return {
        client: new TableServiceClient(endpoint, credential, {
          allowInsecureConnection: isPlain,
          retryOptions: { maxRetries: 1, retryDelayInMs: 200 },
        }),
        sign: (table, values) =>
          generateTableSas(table, credential, { ...values, ...(!isPlain && { protocol: 'https' }) }),
      };
    });
  },
  endpoints: [
    {
      name: 'azureAccounts',
      dialects: ['older', 'current'],
      method: 'get',
      route: '/azure/accounts',
      title: 'List Accounts Managed by Auth',
      description: 'The names of all storage accounts whose tables and containers access can be given to.',
      category: 'Azure Credentials',
      stability: 'deprecated',
      scopes: 'auth:azure-table:list-accounts',
      output: 'azure-account-list-response',
      read: async (accounts) => ({ accounts: [...accounts.keys()].sort() }),
      whenNotConfigured: { accounts: [] },
    },
    {
      name: 'azureTables',
      dialects: ['older', 'current'],
      method: 'get',
      route: '/azure/<account>/tables',
      query: ['continuationToken'],
      patterns: { account: ACCOUNT_NAME, continuationToken: CONTINUATION_TOKEN },
      title: 'List Tables in an Account Managed by Auth',
      description:
        'The names of the tables of an account, a page at a time: where there are more, the reply has a `continuationToken` with which to ask for the next page.',
      category: 'Azure Credentials',
      stability: 'deprecated',
      scopes: 'auth:azure-table:list-tables:<account>',
      output: 'azure-table-list-response',
      async read(accounts, { params, query, signal }) {
        const { client } = getAccount(accounts, params['account']!);
        const page = await firstPage(client.listTables({ abortSignal: signal }).byPage(query));
        const { continuationToken: next } = page;
        return { tables: page.map(({ name }) => name), ...(next && { continuationToken: next }) };
      },
    },
    {
      name: 'azureTableSAS',
      dialects: ['older', 'current'],
      method: 'get',
      route: '/azure/<account>/table/<table>/<level>',
      patterns: { account: ACCOUNT_NAME, table: TABLE_NAME, level: ACCESS_LEVEL },
      title: 'Get Shared-Access-Signature for Azure Table',
      description:
        'A signature that gives access to a table for 25 minutes: `read-only`, or `read-write`, for which the table is created if there is none.',
      category: 'Azure Credentials',
      stability: 'deprecated',
      ...scopesByLevel('auth:azure-table:<level>:<account>/<table>'),
      output: 'azure-table-access-response',
      async issue(accounts, request) {
        const { account, table, level } = request.params as Record<'account' | 'table' | 'level', string>;
        const { client, sign } = getAccount(accounts, account);
        const isReadWrite = level === 'read-write';
        if (isReadWrite)
          await awaitCreation(client.createTable(table, { abortSignal: request.signal }), `table ${table}`);
        const times = sasValidity(request);
        const sas = sign(table, { ...times, permissions: isReadWrite ? READ_WRITE : READ_ONLY });
        return issuedSas(sas, { target: `${account}/${table}`, level, expires: times.expiresOn });
      },
    },
  ],
};
