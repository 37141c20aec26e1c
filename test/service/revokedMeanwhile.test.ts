import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signedFetch } from '../signed.ts';
import { minutesFromNow, startService, type TestService } from '../startService.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.remove());

const settings = { description: '', expires: minutesFromNow(60), scopes: ['auth:*'] };
const WAYS: [string, (clientId: string) => Promise<unknown>][] = [
  ['its token is reset', (clientId) => service.current()['resetAccessToken']!(clientId)],
  ['it is disabled', (clientId) => service.current()['disableClient']!(clientId)],
  ['it is deleted', (clientId) => service.current()['deleteClient']!(clientId)],
  [
    'it is created again',
    async (clientId) => {
      await service.current()['deleteClient']!(clientId);
      await service.current()['createClient']!(clientId, settings);
    },
  ],
];

/** The secret store takes the first new token only after something else has happened. */
function beforeTheTokenIsStored(happens: () => Promise<unknown>): void {
  const { secretStore } = service.service.core;
  const { put } = secretStore;
  secretStore.put = async (...args) => {
    secretStore.put = put;
    await happens();
    return put(...args);
  };
}

describe('a caller whose right ends while its new token is stored is given nothing', () => {
  test.each(WAYS)('where %s', async (how, end) => {
    const clientId = `caller/${how.replaceAll(' ', '-')}`;
    const { accessToken } = await service.current()['createClient']!(clientId, settings);
    const path = `/api/auth/v1/clients/made%2F${encodeURIComponent(clientId)}`;
    const head = (): Promise<string> => service.service.core.eventStore.head();
    let before = await head();
    beforeTheTokenIsStored(async () => {
      await end(clientId);
      before = await head();
    });
    const body = { ...settings, scopes: [] };
    const reply = await signedFetch(
      service.rootUrl + path,
      { clientId, accessToken },
      { method: 'PUT', body },
    );
    expect(reply).toMatchObject({ status: 401, body: { code: 'AuthenticationFailed' } });
    expect(JSON.stringify(reply.body)).not.toContain('accessToken"');
    expect(await head()).toBe(before);
  });
});
