import { date, object, type Schema, text } from '../../schemas/v1/schemaBuilders.ts';
import type { EndpointRequest } from '../http/endpoint.ts';
import { ApiError } from '../domain/errors.ts';
import { expiryFor } from './credentialLifetime.ts';
import type { IssuedCredentials } from './guardedService.ts';
import { thirdPartyUrl } from './thirdPartyUrl.ts';

const MINUTE = 60_000;

/** Azure's rule for names of storage accounts. */
export const ACCOUNT_NAME = /^[a-z0-9]{3,24}$/;

const accountKey: Schema = {
  ...text,
  pattern: '^([A-Za-z0-9+/]{4}){5,}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$',
};
const accountWithEndpoints = object(
  { key: accountKey, blobEndpoint: thirdPartyUrl, tableEndpoint: thirdPartyUrl },
  ['blobEndpoint', 'tableEndpoint'],
);

type AccountSetting = { key: string; blobEndpoint?: string; tableEndpoint?: string };

/** The storage accounts by name. An entry that is just a key uses the endpoints of Azure's public cloud. */
export type AzureAccountsSetting = Record<string, string | AccountSetting>;

/** The declaration of the setting, which all Azure services share. */
export const azureAccountsSetting = {
  variable: 'AZURE_ACCOUNTS',
  needs:
    '{account: key} of storage accounts, or {account: {key, blobEndpoint, tableEndpoint}} where these are not those of the public cloud',
  settingSchema: {
    type: 'object',
    minProperties: 1,
    propertyNames: { pattern: ACCOUNT_NAME.source },
    // One schema for both forms, so that a problem is reported for the form that was meant.
    additionalProperties: { ...accountWithEndpoints, ...accountKey, type: ['string', 'object'] },
  },
};

/** An account with the endpoint of one of its services. */
export type AzureAccount = { name: string; key: string; endpoint: string };

/** Opens a client for each account. Returns them by account name. */
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

/** Throws ResourceNotFound for an account that is not in the setting, whether or not it exists at Azure. */
export function getAccount<Client>(accounts: ReadonlyMap<string, Client>, name: string): Client {
  const found = accounts.get(name);
  if (found === undefined) throw new ApiError('ResourceNotFound', `no account ${name} is known here`);
  return found;
}

/** The first page of an SDK's paged list. There is always at least one. */
export async function firstPage<Page>(pages: AsyncIterator<Page>): Promise<Page> {
  const { value } = (await pages.next()) as IteratorYieldResult<Page>;
  return value;
}

/** The schema of a reply with a shared access signature (SAS). */
export const sasResponseSchema = object({ sas: text, expiry: date });

/** The validity period of a SAS. It starts in the past to allow for clock skew. */
export function sasValidity(request: Pick<EndpointRequest, 'caller' | 'now'>): {
  startsOn: Date;
  expiresOn: Date;
} {
  return {
    startsOn: new Date(request.now.getTime() - 15 * MINUTE),
    expiresOn: expiryFor(request, 25 * MINUTE),
  };
}

/** The reply with a SAS, and what is recorded about it. */
export function issuedSas(
  sas: string,
  { expires, ...about }: Omit<IssuedCredentials, 'body'>,
): IssuedCredentials {
  return { body: { sas, expiry: expires.toJSON() }, ...about, expires };
}

/**
 * Waits for a creation. Throws RequestConflict while Azure is still deleting a resource of the same name, which takes a
 * while.
 */
export async function awaitCreation(creating: Promise<unknown>, name: string): Promise<void> {
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
