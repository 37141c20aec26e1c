import { date, object, type Schema, text } from '../../schemas/v1/schemaBuilders.ts';
import type { EndpointRequest } from '../http/endpoint.ts';
import { ApiError } from '../domain/errors.ts';
import { expiryFor } from './expiryFor.ts';
import type { Given } from './guardedService.ts';
import { thirdPartyUrl } from './thirdPartyUrl.ts';

const MINUTE = 60_000;

/** How a storage account of Azure may be named. */
export const ACCOUNT = /^[a-z0-9]{3,24}$/;

const keyText: Schema = {
  ...text,
  pattern: '^([A-Za-z0-9+/]{4}){5,}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$',
};
const withAddresses = object({ key: keyText, blobEndpoint: thirdPartyUrl, tableEndpoint: thirdPartyUrl }, [
  'blobEndpoint',
  'tableEndpoint',
]);

type AccountSetting = { key: string; blobEndpoint?: string; tableEndpoint?: string };

/** The storage accounts by name. A key alone means the endpoints of Azure's public cloud. */
export type AzureAccountsSetting = Record<string, string | AccountSetting>;

/** How an administrator sets the accounts, which all services of Azure share. */
export const azureAccountsSetting = {
  variable: 'AZURE_ACCOUNTS',
  needs:
    '{account: key} of storage accounts, or {account: {key, blobEndpoint, tableEndpoint}} where these are not those of the public cloud',
  settingSchema: {
    type: 'object',
    minProperties: 1,
    propertyNames: { pattern: ACCOUNT.source },
    // Both forms in one: a refusal then speaks of the form that was meant.
    additionalProperties: { ...withAddresses, ...keyText, type: ['string', 'object'] },
  },
};

/** An account, and where one of its services is. */
export type AzureAccount = { name: string; key: string; endpoint: string };

/** What is made of each account, by its name. */
export function openAccounts<Client>(
  setting: AzureAccountsSetting,
  service: 'blob' | 'table',
  open: (account: AzureAccount) => Client,
): ReadonlyMap<string, Client> {
  return new Map(
    Object.entries(setting).map(([name, entry]) => {
      const { key, ...endpoints } = typeof entry === 'string' ? { key: entry } : entry;
      const endpoint = endpoints[`${service}Endpoint`] ?? `https://${name}.${service}.core.windows.net`;
      return [name, open({ name, key, endpoint })];
    }),
  );
}

/** Throws ResourceNotFound for an account that is not in the setting, whether Azure has it or not. */
export function accountIn<Client>(accounts: ReadonlyMap<string, Client>, name: string): Client {
  const found = accounts.get(name);
  if (found === undefined) throw new ApiError('ResourceNotFound', `no account ${name} is known here`);
  return found;
}

/** The first of the pages that an SDK lists, of which there is always one. */
export async function firstPage<Page>(pages: AsyncIterator<Page>): Promise<Page> {
  const { value } = (await pages.next()) as IteratorYieldResult<Page>;
  return value;
}

/** The schema of a reply with a shared access signature (SAS). */
export const sasResponse = object({ sas: text, expiry: date });

/** From when to when a SAS is good: it starts early for clocks that are behind ours. */
export function sasTimes(request: Pick<EndpointRequest, 'caller' | 'now'>): {
  startsOn: Date;
  expiresOn: Date;
} {
  return {
    startsOn: new Date(request.now.getTime() - 15 * MINUTE),
    expiresOn: expiryFor(request, 25 * MINUTE),
  };
}

/** The reply with a SAS, and what is recorded of it. */
export function sasGiven(sas: string, { expires, ...about }: Omit<Given, 'body'>): Given {
  return { body: { sas, expiry: expires.toJSON() }, ...about, expires };
}

/** Waits until something is created. Throws RequestConflict while Azure still deletes one of the same name, which takes it a while. */
export async function untilCreated(creating: Promise<unknown>, name: string): Promise<void> {
  try {
    await creating;
  } catch (error) {
    if ((error as { statusCode?: unknown }).statusCode !== 409) throw error;
    throw new ApiError(
      'RequestConflict',
      `${name} cannot be created while one of this name is being deleted: try again in a minute`,
    );
  }
}
