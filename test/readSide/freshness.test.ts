import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { createClient } from '../../commands/createClient.ts';
import { disableClient } from '../../commands/disableClient.ts';
import { type Service, startService as startParts } from '../../src/compose.ts';
import { readConfig } from '../../src/config/config.ts';
import { systemContext } from '../../src/writeSide/systemContext.ts';
import { clientSubject } from '../../src/writeSide/subjects.ts';
import { minutesFromNow, startService, type TestService } from '../startService.ts';
import { guardedServices } from '../../src/services/guardedServices.ts';

let service: TestService;
/** A second process on the same directory, as far as the stores can tell. */
let other: Service;
beforeAll(async () => {
  service = await startService({ READ_ACCESS: 'open' });
  other = await startParts(
    readConfig(guardedServices, { DATA_DIR: service.dataDir }),
    pino({ level: 'silent' }),
  );
});
afterAll(async () => {
  await other.close();
  await service.remove();
});

const settings = {
  description: '',
  expires: minutesFromNow(60),
  deleteOnExpiration: false,
  scopes: ['auth:current-scopes'],
};

async function createElsewhere(clientId: string): Promise<string> {
  const secret = other.core.makeSecret(clientId);
  const input = { clientId, ...settings, credential: secret.credential };
  const subject = clientSubject(clientId, other.core);
  await other.core.handleCommand({
    command: createClient,
    subject,
    input,
    secret,
    context: systemContext('cli'),
  });
  return secret.token;
}

describe('a change', () => {
  test('made here is in force at once: a created client authenticates, a disabled one does not', async () => {
    const root = service.current();
    for (let i = 0; i < 20; i += 1) {
      const clientId = `here/${i}`;
      const { accessToken } = await root['createClient']!(clientId, settings);
      const itself = service.current({ clientId, accessToken });
      await itself['currentScopes']!();
      await root['disableClient']!(clientId);
      await expect(itself['currentScopes']!()).rejects.toMatchObject({ statusCode: 401 });
    }
  });

  test('made by another process is seen by the very next request', async () => {
    for (let i = 0; i < 20; i += 1) {
      const clientId = `elsewhere/${i}`;
      const itself = service.current({ clientId, accessToken: await createElsewhere(clientId) });
      await itself['currentScopes']!();
      const subject = clientSubject(clientId, other.core);
      await other.core.handleCommand({
        command: disableClient,
        subject,
        input: { clientId },
        context: systemContext('cli'),
      });
      await expect(itself['currentScopes']!()).rejects.toMatchObject({ statusCode: 401 });
      const { clients } = await service.current()['listClients']!({ prefix: clientId });
      expect(clients[0]).toMatchObject({ disabled: true });
    }
  });

  test('of a role changes what every scope that reaches it expands to', async () => {
    const root = service.current();
    await root['createRole']!('fresh:a', { description: '', scopes: ['assume:fresh:b'] });
    await root['createRole']!('fresh:b', { description: '', scopes: ['fresh-scope'] });
    const expand = async (): Promise<string[]> =>
      (await root['expandScopes']!({ scopes: ['assume:fresh:a'] })).scopes;
    expect(await expand()).toContain('fresh-scope');
    await root['deleteRole']!('fresh:b');
    expect(await expand()).not.toContain('fresh-scope');
  });

  test('by many at once on one role set loses none', async () => {
    const root = service.current();
    const ids = Array.from({ length: 30 }, (_, i) => `together:${String(i).padStart(2, '0')}`);
    await Promise.all(ids.map((roleId) => root['createRole']!(roleId, { description: '', scopes: [] })));
    const { roleIds } = await root['listRoleIds']!();
    expect(roleIds).toEqual(expect.arrayContaining(ids));
  });

  test('by two processes on one client is made by one of them only', async () => {
    const clientId = 'contested';
    const outcomes = await Promise.allSettled([
      createElsewhere(clientId),
      service.current()['createClient']!(clientId, { ...settings, description: 'another' }),
    ]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});

describe('Auth-Position and Auth-At-Least', () => {
  const ask = (position: string): Promise<Response> =>
    fetch(`${service.rootUrl}/v1/roles/`, { headers: { 'auth-at-least': position } });

  test('a change tells its position, and a request may wait for it', async () => {
    await createElsewhere('position/client');
    const head = await other.core.eventStore.head();
    expect((await ask(head)).status).toBe(200);
  });

  test('a reply to a change carries its position', async () => {
    await createElsewhere('position/second');
    const before = await other.core.eventStore.head();
    const url = `${service.rootUrl}/api/auth/v1/roles/position`;
    const anonymous = { description: 'all may do this here', scopes: ['auth:delete-role:position'] };
    await service.current()['createRole']!('anonymous', anonymous);
    await service.current()['createRole']!('position', { description: '', scopes: [] });
    const response = await fetch(url, { method: 'DELETE' });
    expect(response.status).toBe(204);
    expect(response.headers.get('auth-position')! > before).toBe(true);
    expect(response.headers.get('auth-position')).toBe(await other.core.eventStore.head());
    await service.current()['deleteRole']!('anonymous');
  });

  test('a position that is malformed, or another log’s, is refused', async () => {
    for (const position of [
      '1',
      `000000000000.${'1'.padStart(20, '0')}`,
      `${other.core.eventStore.logId}.1`,
      '',
    ]) {
      const response = await ask(position);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ code: 'InvalidRequestArguments' });
    }
  });

  test('a position beyond the end of the log is refused at once', async () => {
    const position = `${other.core.eventStore.logId}.${'9'.repeat(20)}`;
    const replies = await Promise.all(Array.from({ length: 300 }, () => ask(position)));
    for (const response of replies) {
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        code: 'InvalidRequestArguments',
        message: expect.stringContaining('the log has not come to the position'),
      });
    }
  });
});

test('when a client was last used is shown, to a precision of 6 hours', async () => {
  const clientId = 'used';
  const created = await service.current()['createClient']!(clientId, settings);
  const before = await service.current()['client']!(clientId);
  expect(before.lastDateUsed).toBe(before.created);
  await service.current({ clientId, accessToken: created.accessToken })['currentScopes']!();
  const { lastDateUsed } = await service.current()['client']!(clientId);
  expect(lastDateUsed > created.created).toBe(true);
});
