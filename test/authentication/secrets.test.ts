import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deleteOrphanedSecrets } from '../../src/jobs/deleteOrphanedSecrets.ts';
import { signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, startService, type TestService } from '../startService.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.remove());

const settings = { description: '', expires: minutesFromNow(60), scopes: ['auth:current-scopes'] };
const create = (clientId: string): Promise<Credentials> =>
  service.current()['createClient']!(clientId, settings);
const current = (credentials: Credentials) =>
  signedFetch(`${service.rootUrl}/api/auth/v1/scopes/current`, credentials);
const entriesOf = async (clientId: string) =>
  (await service.service.core.secretStore.list({ limit: 1000 })).filter(
    (entry) => entry.clientId === clientId,
  );

describe('the secret of a client', () => {
  test('is one entry, through every change, and none after its deletion', async () => {
    await create('changing');
    const [first] = await entriesOf('changing');
    await service.current()['resetAccessToken']!('changing');
    const [second, ...others] = await entriesOf('changing');
    expect(others).toEqual([]);
    expect(second!.credentialId).not.toBe(first!.credentialId);
    await expect(service.current()['createClient']!('changing', settings)).rejects.toMatchObject({
      statusCode: 409,
    });
    expect(await entriesOf('changing')).toEqual([second]);
    await service.current()['deleteClient']!('changing');
    expect(await entriesOf('changing')).toEqual([]);
  });

  test('is not made for a request that is refused', async () => {
    const nobody = service.current(null);
    await expect(nobody['createClient']!('refused', settings)).rejects.toMatchObject({ statusCode: 403 });
    expect(await entriesOf('refused')).toEqual([]);
  });

  test('that nothing refers to is destroyed after an hour, and no other', async () => {
    const credentials = await create('kept');
    const orphan = { clientId: 'kept', credentialId: randomUUID() };
    await service.service.core.secretStore.put(orphan, 'left behind by a crash');
    expect(await deleteOrphanedSecrets(service.service.core)).toBe(0);
    const later = new Date(Date.now() + 61 * 60_000);
    expect(await deleteOrphanedSecrets(service.service.core, { now: later })).toBe(1);
    expect(await service.service.core.secretStore.get(orphan)).toBeUndefined();
    expect((await current(credentials)).status).toBe(200);
    // The fingerprint key belongs to no client, and stays.
    await create('after');
    expect((await entriesOf('fingerprint key')).length).toBe(1);
  });

  test('that is missing is the fault of the service, never of the caller', async () => {
    const credentials = await create('missing');
    const [entry] = await entriesOf('missing');
    await service.service.core.secretStore.destroy(entry!);
    const { status, body } = await current(credentials);
    expect({ status, code: body.code }).toEqual({ status: 500, code: 'InternalServerError' });
    expect(service.logged()).toMatch(/no entry .* which client missing refers to/);
  });
});
