import type { BlobServiceClient } from '@azure/storage-blob';
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
import type { IssuedCredentials, GuardedRequest, GuardedService } from './guardedService.ts';

type Containers = {
  client: BlobServiceClient;
  /** `permissions` are the letters that a SAS uses. */
  sign(container: string, values: { permissions: string; startsOn: Date; expiresOn: Date }): string;
};
type Accounts = ReadonlyMap<string, Containers>;

/** Azure's rule for names of containers. */
const CONTAINER_NAME = /^(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*$/;
/** An opaque token, which Azure calls a marker. */
const CONTINUATION_TOKEN = /^[\x21-\x7e]+$/;
/** Names on a page. Azure's pages of tables have the same size. */
const PAGE_SIZE = 1000;

/** Read and list. */
const READ_ONLY = 'rl';
/** Read, add, create, write, delete and list. */
const READ_WRITE = 'racwdl';

async function issueSas(accounts: Accounts, request: GuardedRequest): Promise<IssuedCredentials> {
  const { account, container, level } = request.params as Record<'account' | 'container' | 'level', string>;
  const { client, sign } = getAccount(accounts, account);
  const isReadWrite = level === 'read-write';
  if (isReadWrite) {
    const creating = client.getContainerClient(container).createIfNotExists({ abortSignal: request.signal });
    await awaitCreation(creating, `container ${container}`);
  }
  const times = sasValidity(request);
  const sas = sign(container, { ...times, permissions: isReadWrite ? READ_WRITE : READ_ONLY });
  return issuedSas(sas, { target: `${account}/${container}`, level, expires: times.expiresOn });
}

const sasEndpoint = {
  method: 'get',
  route: '/azure/<account>/containers/<container>/<level>',
  patterns: { account: ACCOUNT_NAME, container: CONTAINER_NAME, level: ACCESS_LEVEL },
  title: 'Get Shared-Access-Signature for Azure Container',
  description:
    'A signature that gives access to the blobs of a container for 25 minutes: `read-only`, or `read-write`, for which the container is created if there is none.',
  category: 'Azure Credentials',
  issue: issueSas,
} as const;

/** Lists the blob containers of Azure storage accounts, and issues shared access signatures (SAS) for one container. */
export const azureContainers: GuardedService<AzureAccountsSetting, Accounts> = {
  name: 'azure-containers',
  ...azureAccountsSetting,
  schemas: {
    'azure-container-list-response': {
      title: 'A page of the names of containers',
      ...object({ containers: { type: 'array', uniqueItems: true, items: text }, continuationToken }, [
        'continuationToken',
      ]),
    },
    'azure-container-response': { title: 'A shared access signature of a container', ...sasResponseSchema },
    'older-azure-blob-response': { title: 'A shared access signature of a container', ...sasResponseSchema },
  },
  async open(setting) {
    const sdk = await import('@azure/storage-blob');
    return openAccounts(setting, 'blob', ({ name, key, endpoint }) => {
      const credential = new sdk.StorageSharedKeyCredential(name, key);
      const retryOptions = { maxTries: 2, retryDelayInMs: 200, maxRetryDelayInMs: 1000 };
      return {
        client: new sdk.BlobServiceClient(endpoint, credential, { retryOptions }),
        sign(containerName, { permissions, ...times }) {
          const values = {
            containerName,
            ...times,
            permissions: sdk.ContainerSASPermissions.parse(permissions),
            ...(!endpoint.startsWith('http:') && { protocol: sdk.SASProtocol.Https }),
          };
          return sdk.generateBlobSASQueryParameters(values, credential).toString();
        },
      };
    });
  },
  endpoints: [
    {
      name: 'azureContainers',
      dialects: ['current'],
      alsoServedIn: ['older'],
      method: 'get',
      route: '/azure/<account>/containers',
      query: ['continuationToken'],
      patterns: { account: ACCOUNT_NAME, continuationToken: CONTINUATION_TOKEN },
      title: 'List containers in an Account Managed by Auth',
      description:
        'The names of the blob containers of an account, a page at a time: where there are more, the reply has a `continuationToken` with which to ask for the next page.',
      category: 'Azure Credentials',
      stability: 'deprecated',
      scopes: 'auth:azure-container:list-containers:<account>',
      output: 'azure-container-list-response',
      async read(accounts, { params, query, signal }) {
        const { client } = getAccount(accounts, params['account']!);
        const settings = { ...query, maxPageSize: PAGE_SIZE };
        const page = await firstPage(client.listContainers({ abortSignal: signal }).byPage(settings));
        const { containerItems, continuationToken: next } = page;
        return {
          containers: containerItems.map(({ name }) => name),
          ...(next && { continuationToken: next }),
        };
      },
    },
    {
      name: 'azureContainerSAS',
      dialects: ['current'],
      stability: 'deprecated',
      ...sasEndpoint,
      ...scopesByLevel('auth:azure-container:<level>:<account>/<container>'),
      output: 'azure-container-response',
    },
    {
      name: 'azureBlobSAS',
      dialects: ['older'],
      stability: 'stable',
      ...sasEndpoint,
      ...scopesByLevel('auth:azure-blob:<level>:<account>/<container>'),
      output: 'older-azure-blob-response',
    },
  ],
};
