import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { minutesFromNow, startService, type TestService } from '../startService.ts';

let service: TestService | undefined;
afterEach(async () => {
  await service?.remove();
  service = undefined;
});

const token = (letter: string): string => letter.repeat(30);
const configured = (
  ...clients: [id: string, letter: string, ...scopes: string[]][]
): { STATIC_CLIENTS: string } => ({
  STATIC_CLIENTS: JSON.stringify(
    clients.map(([id, letter, ...scopes]) => ({
      clientId: `static/${id}`,
      accessToken: token(letter),
      description: id,
      scopes,
    })),
  ),
});
const signedAs = (id: string, letter: string) =>
  service!.current({ clientId: `static/${id}`, accessToken: token(letter) });

describe('static clients', () => {
  test('follow their configuration at each start, and history shows it', async () => {
    service = await startService(configured(['root', 'a', '*'], ['bot', 'b', 'x']));
    expect((await signedAs('root', 'a')['client']!('static/bot')).scopes).toEqual(['x']);
    service = await service.restart(configured(['root', 'a', '*'], ['bot', 'c', 'x', 'auth:current-scopes']));
    await expect(signedAs('bot', 'b')['currentScopes']!()).rejects.toMatchObject({ statusCode: 401 });
    await signedAs('bot', 'c')['currentScopes']!();
    service = await service.restart(configured(['root', 'a', '*']));
    await expect(signedAs('root', 'a')['client']!('static/bot')).rejects.toMatchObject({ statusCode: 404 });
    const { auditHistory } = await signedAs('root', 'a')['getEntityHistory']!('client', 'static/bot');
    expect(auditHistory.map(({ actionType }: { actionType: string }) => actionType)).toEqual([
      'created',
      'updated',
      'access token reset',
      'deleted',
    ]);
    expect(auditHistory[0].clientId).toBe('static/authledger/static-clients');
  });

  test('that are configured as deployments of Taskcluster have them get the published scopes', async () => {
    const clientId = 'static/taskcluster/root';
    const accessToken = token('a');
    const STATIC_CLIENTS = JSON.stringify([
      { clientId, accessToken },
      { clientId: 'static/taskcluster/notify', accessToken: token('b') },
    ]);
    service = await startService({ STATIC_CLIENTS });
    const root = service.current({ clientId, accessToken });
    expect(await root['currentScopes']!()).toEqual({ scopes: ['*'] });
    expect(await root['client']!('static/taskcluster/notify')).toMatchObject({
      description: 'Internal client',
      scopes: ['queue:get-task:*'],
    });
  });

  test('are not changed where nothing has changed', async () => {
    service = await startService(configured(['root', 'a', '*']));
    const before = await service.service.core.eventStore.head();
    service = await service.restart();
    expect(await service.service.core.eventStore.head()).toBe(before);
    expect((await signedAs('root', 'a')['client']!('static/root')).expires).toBe('3000-01-01T00:00:00.000Z');
  });

  test('cannot be changed through the API', async () => {
    service = await startService(configured(['root', 'a', '*']));
    const root = signedAs('root', 'a');
    const settings = { description: '', expires: minutesFromNow(10), scopes: [] };
    const refused = { statusCode: 400, code: 'InputError' };
    await expect(root['createClient']!('static/other', settings)).rejects.toMatchObject(refused);
    await expect(root['updateClient']!('static/root', settings)).rejects.toMatchObject(refused);
    for (const method of ['resetAccessToken', 'enableClient', 'disableClient', 'deleteClient']) {
      await expect(root[method]!('static/root')).rejects.toMatchObject(refused);
    }
  });
});

describe('without configuration', () => {
  const unset = { STATIC_CLIENTS: undefined as unknown as string };

  test('the first start makes an administrator, whose token only its owner can read, and later starts keep it', async () => {
    service = await startService(unset);
    const file = join(service.dataDir, 'root-credentials.json');
    const credentials = JSON.parse(readFileSync(file, 'utf8')) as { clientId: string; accessToken: string };
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(service.madeRoot).toMatchObject(credentials);
    expect((await service.current(credentials)['currentScopes']!()).scopes).toEqual(['*']);
    service = await service.restart();
    expect(service.madeRoot).toBeUndefined();
    rmSync(file);
    service = await service.restart();
    expect((await service.current(credentials)['currentScopes']!()).scopes).toEqual(['*']);
  });

  test('a first start that crashed before it made the client goes on with the same token', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'authledger-test-'));
    service = await startService(unset, dataDir);
    const { accessToken } = service.madeRoot!;
    await service.stop();
    for (const name of ['log.sqlite', 'read.sqlite', 'secrets.sqlite', 'log-head.json'])
      rmSync(join(dataDir, name));
    service = await startService(unset, dataDir);
    expect(service.madeRoot!.accessToken).toBe(accessToken);
  });

  test('configuration replaces the generated administrator', async () => {
    service = await startService(unset);
    const { clientId } = service.madeRoot!;
    service = await service.restart(configured(['root', 'a', '*']));
    await expect(signedAs('root', 'a')['client']!(clientId)).rejects.toMatchObject({ statusCode: 404 });
  });
});
