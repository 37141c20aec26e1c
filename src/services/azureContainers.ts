import type { BlobServiceClient } from '@azure/storage-blob';
import { continuationToken, object, text } from '../../schemas/v1/schemaBuilders.ts';
import {
  ACCOUNT,
  accountIn,
  type AzureAccountsSetting,
  azureAccountsSetting,
  firstPage,
  openAccounts,
  sasGiven,
  sasResponse,
  sasTimes,
  untilCreated,
} from './azureAccounts.ts';
import { byLevel, LEVEL } from './byLevel.ts';
import type { Given, GuardedRequest, GuardedService } from './guardedService.ts';

type Containers = {
  client: BlobServiceClient;
  /** `permissions` are letters, as a SAS has them. */
  sign(container: string, values: { permissions: string; startsOn: Date; expiresOn: Date }): string;
};
type Accounts = ReadonlyMap<string, Containers>;

/** How a container may be named. */
const CONTAINER = /^(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*$/;
/** What Azure calls a marker: only Azure knows what it means. */
const CONTINUATION_TOKEN = /^[\x21-\x7e]+$/;
/** Names on a page: as many as Azure puts on one of tables. */
const PAGE = 1000;

/** Read and list. */
const READ_ONLY = 'rl';
/** Read, add, create, write, delete and list. */
const READ_WRITE = 'racwdl';

async function giveSas(accounts: Accounts, request: GuardedRequest): Promise<Given> {
  const { account, container, level } = request.params as Record<'account' | 'container' | 'level', string>;
  const { client, sign } = accountIn(accounts, account);
  const isReadWrite = level === 'read-write';
  if (isReadWrite) {
    const creating = client.getContainerClient(container).createIfNotExists({ abortSignal: request.signal });
    await untilCreated(creating, `container ${container}`);
  }
  const times = sasTimes(request);
  const sas = sign(container, { ...times, permissions: isReadWrite ? READ_WRITE : READ_ONLY });
  return sasGiven(sas, { target: `${account}/${container}`, level, expires: times.expiresOn });
}

const sasEndpoint = {
  method: 'get',
  route: '/azure/<account>/containers/<container>/<level>',
  patterns: { account: ACCOUNT, container: CONTAINER, level: LEVEL },
  title: 'Get Shared-Access-Signature for Azure Container',
  description:
    'A signature that gives access to the blobs of a container for 25 minutes: `read-only`, or `read-write`, for which the container is created if there is none.',
  category: 'Azure Credentials',
  give: giveSas,
} as const;

/** The blob containers of Azure's storage accounts: what there is, and shared access signatures of one container. */
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
    'azure-container-response': { title: 'A shared access signature of a container', ...sasResponse },
    'older-azure-blob-response': { title: 'A shared access signature of a container', ...sasResponse },
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
      patterns: { account: ACCOUNT, continuationToken: CONTINUATION_TOKEN },
      title: 'List containers in an Account Managed by Auth',
      description:
        'The names of the blob containers of an account, a page at a time: where there are more, the reply has a `continuationToken` with which to ask for the next page.',
      category: 'Azure Credentials',
      stability: 'deprecated',
      scopes: 'auth:azure-container:list-containers:<account>',
      output: 'azure-container-list-response',
      async tell(accounts, { params, query, signal }) {
        const { client } = accountIn(accounts, params['account']!);
        const settings = { ...query, maxPageSize: PAGE };
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
      ...byLevel('auth:azure-container:<level>:<account>/<container>'),
      output: 'azure-container-response',
    },
    {
      name: 'azureBlobSAS',
      dialects: ['older'],
      stability: 'stable',
      ...sasEndpoint,
      ...byLevel('auth:azure-blob:<level>:<account>/<container>'),
      output: 'older-azure-blob-response',
    },
  ],
};
