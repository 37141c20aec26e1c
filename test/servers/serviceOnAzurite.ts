import { randomBytes } from 'node:crypto';
import type { GuardedRequest, GuardedService } from '../../src/services/guardedService.ts';
import { type Credentials, minutesFromNow, startService } from '../startService.ts';
import { startAzurite } from './realServers.ts';

/** Accounts that Azurite has, and the service gives access to. */
export type Account = 'acc1' | 'acc2';

/** What a SDK is refused with, whose signature does not allow what it asks for. */
export const refused = { statusCode: 403 };

/** A service that gives access to the storage of a real Azurite. */
export async function serviceOnAzurite() {
  const keys = { acc1: randomBytes(64).toString('base64'), acc2: randomBytes(64).toString('base64') };
  const azurite = await startAzurite(keys);
  const { blobEndpoint, tableEndpoint } = azurite;
  const account = (name: Account) => ({
    key: keys[name],
    blobEndpoint: blobEndpoint(name),
    tableEndpoint: tableEndpoint(name),
  });
  const setting = { acc1: account('acc1'), acc2: account('acc2') };
  const service = await startService({ AZURE_ACCOUNTS: JSON.stringify(setting) });

  return {
    keys,
    blobEndpoint,
    tableEndpoint,
    service,
    async client(clientId: string, scope: string): Promise<Credentials> {
      const settings = { description: '', expires: minutesFromNow(60), scopes: [scope] };
      const { accessToken } = await service.current()['createClient']!(clientId, settings);
      return { clientId, accessToken };
    },
    /** The SAS of `acc1` that a guarded service would have given so many minutes ago. */
    async sasAsOf<Setting, Client>(
      minutesAgo: number,
      guarded: GuardedService<Setting, Client>,
      [method, params]: [string, Record<string, string>],
    ): Promise<string> {
      const opened = await guarded.open(setting as Setting);
      const endpoint = guarded.endpoints.find(({ name }) => name === method)!;
      if (!('issue' in endpoint)) throw new Error(`${method} gives nothing`);
      const request = {
        params: { account: 'acc1', ...params },
        now: new Date(Date.now() - minutesAgo * 60_000),
        caller: { clientId: 'static/root', scopes: ['*'] },
        signal: AbortSignal.timeout(8000),
      };
      const { body } = await endpoint.issue(opened, request as unknown as GuardedRequest);
      return (body as { sas: string }).sas;
    },
    async remove(): Promise<void> {
      await service.remove();
      await azurite.remove();
    },
  };
}
