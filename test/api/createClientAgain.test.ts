import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import taskcluster from 'taskcluster-client';
import { startLossyProxy } from '../lossyProxy.ts';
import {
  minutesFromNow,
  type OfficialClient,
  ROOT,
  startService,
  STATIC_CLIENTS,
  type TestService,
} from '../startService.ts';

const CREATIONS = 20;
const AT_ONCE = 25;
const expires = minutesFromNow(60);
const settings = { description: 'builds', expires, deleteOnExpiration: false, scopes: ['b', 'a'] };
const conflict = { statusCode: 409, code: 'RequestConflict' };

let service: TestService;
/** Another node on the same files. */
let other: TestService;
let auth: OfficialClient;
beforeAll(async () => {
  service = await startService();
  other = await startService({}, service.dataDir);
  auth = service.current();
});
afterAll(async () => {
  await other.stop();
  await service.remove();
});

const scopesOf = async (clientId: string, accessToken: string): Promise<string[]> =>
  (await service.older({ clientId, accessToken })['currentScopes']!()).scopes as string[];
const eventsOf = async (clientId: string): Promise<string[]> => {
  const { events } = await service.service.core.eventStore.read(`client-${clientId}`);
  return events.map(({ type }) => type);
};
const secretsOf = async (clientId: string) =>
  (await service.service.core.secretStore.list({ limit: 1000 })).filter(
    (entry) => entry.clientId === clientId,
  );

describe('createClient that is sent again', () => {
  test('by an official client whose reply was lost gives the token that the client was created with, each time', async () => {
    const proxy = await startLossyProxy(service.port);
    const retrying = new taskcluster.Auth({ rootUrl: proxy.rootUrl, credentials: ROOT }) as OfficialClient;
    for (let i = 0; i < CREATIONS; i += 1) {
      const clientId = `lost/${i}`;
      proxy.dropNext();
      const created = await retrying['createClient']!(clientId, settings);
      expect(created).toMatchObject({ clientId, ...settings });
      expect(await scopesOf(clientId, created.accessToken)).toEqual(expect.arrayContaining(['a', 'b']));
      expect(await eventsOf(clientId)).toEqual(['ClientCreated']);
      expect(await secretsOf(clientId)).toHaveLength(1);
    }
    expect(proxy.dropped()).toBe(CREATIONS);
    proxy.stop();
  });

  test('is a reply like the first one, in both dialects, and is logged without a secret', async () => {
    const created = await auth['createClient']!('again', settings);
    const elsewhere = new Date(Date.parse(expires) + 2 * 60 * 60_000).toJSON().replace('Z', '+02:00');
    for (const caller of [auth, service.older()])
      for (const same of [expires, elsewhere])
        expect(await caller['createClient']!('again', { ...settings, expires: same })).toEqual({
          ...created,
          lastDateUsed: expect.any(String),
        });
    expect(await eventsOf('again')).toEqual(['ClientCreated']);
    const lines = service
      .logged()
      .split('\n')
      .filter((line) => line.includes('sent again') && line.includes('"clientId":"again"'));
    expect(lines).toHaveLength(4);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: 30,
      actor: 'static/root',
      requestId: expect.any(String),
    });
    expect(service.logged()).not.toContain(created.accessToken);
  });

  test.each<[string, object]>([
    ['description', { description: 'other' }],
    ['expires', { expires: minutesFromNow(61) }],
    ['deleteOnExpiration', { deleteOnExpiration: true }],
    ['scopes', { scopes: ['a'] }],
  ])('with another value of %s is a conflict', async (name, different) => {
    const clientId = `other/${name}`;
    await auth['createClient']!(clientId, settings);
    await expect(auth['createClient']!(clientId, { ...settings, ...different })).rejects.toMatchObject(
      conflict,
    );
  });

  test.each<[string, (clientId: string) => Promise<unknown>]>([
    ['a new token', (clientId) => auth['resetAccessToken']!(clientId)],
    [
      'an update, and one back',
      async (clientId) => {
        await auth['updateClient']!(clientId, { ...settings, description: 'other' });
        await auth['updateClient']!(clientId, settings);
      },
    ],
    ['an end', (clientId) => auth['disableClient']!(clientId)],
    [
      'an end, and a new start',
      async (clientId) => {
        await auth['disableClient']!(clientId);
        await auth['enableClient']!(clientId);
      },
    ],
  ])('after %s is a conflict', async (what, change) => {
    const clientId = `changed/${what.replaceAll(/\W/g, '-')}`;
    await auth['createClient']!(clientId, settings);
    await change(clientId);
    await expect(auth['createClient']!(clientId, settings)).rejects.toMatchObject(conflict);
  });

  test('after what changed nothing is no conflict; after the client was deleted it creates it anew', async () => {
    const { accessToken } = await auth['createClient']!('touched', settings);
    await auth['updateClient']!('touched', settings);
    await auth['enableClient']!('touched');
    expect((await auth['createClient']!('touched', settings)).accessToken).toBe(accessToken);
    await auth['deleteClient']!('touched');
    const renewed = (await auth['createClient']!('touched', settings)).accessToken;
    expect(renewed).not.toBe(accessToken);
    expect((await auth['createClient']!('touched', settings)).accessToken).toBe(renewed);
  });

  test('needs the scopes that the creation needs', async () => {
    await auth['createClient']!('guarded', settings);
    const caller = async (name: string, scopes: string[]): Promise<OfficialClient> => {
      const clientId = `caller/${name}`;
      const { accessToken } = await auth['createClient']!(clientId, { ...settings, scopes });
      return service.current({ clientId, accessToken });
    };
    for (const few of [
      await caller('one', ['auth:create-client:guarded', 'a']),
      await caller('two', ['auth:create-client:other', 'a', 'b']),
      service.current(null),
    ])
      await expect(few['createClient']!('guarded', settings)).rejects.toMatchObject({ statusCode: 403 });
    const enough = await caller('three', ['auth:create-client:guarded', 'a', 'b']);
    expect((await enough['createClient']!('guarded', settings)).clientId).toBe('guarded');
  });

  test('many times at once, also through another node on the same log, gives one token to all', async () => {
    const replies = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, i) =>
        (i % 2 ? other : service).current()['createClient']!('at/once', settings),
      ),
    );
    const tokens = new Set(replies.map(({ accessToken }) => accessToken as string));
    expect(tokens.size).toBe(1);
    expect(await scopesOf('at/once', [...tokens][0]!)).toEqual(expect.arrayContaining(['a', 'b']));
    expect(await eventsOf('at/once')).toEqual(['ClientCreated']);
    expect(await secretsOf('at/once')).toHaveLength(1);
  });

  test('while the token is replaced gives the first token or is a conflict, and never fails', async () => {
    for (let i = 0; i < CREATIONS; i += 1) {
      const clientId = `replaced/${i}`;
      const { accessToken } = await auth['createClient']!(clientId, settings);
      const again = () =>
        auth['createClient']!(clientId, settings).then(
          (reply) => reply.accessToken as string,
          (error: { statusCode: number }) => error.statusCode,
        );
      const outcomes = await Promise.all([
        again(),
        other.current()['resetAccessToken']!(clientId),
        again(),
        again(),
      ]);
      for (const outcome of [outcomes[0], outcomes[2], outcomes[3]])
        expect([accessToken, 409]).toContain(outcome);
    }
  });

  test('where the token is lost is the fault of the service, and makes no other token', async () => {
    await auth['createClient']!('missing', settings);
    const [entry] = await secretsOf('missing');
    await service.service.core.secretStore.destroy(entry!);
    await expect(auth['createClient']!('missing', settings)).rejects.toMatchObject({ statusCode: 500 });
    expect(service.logged()).toContain(`no entry ${entry!.credentialId}, which client missing refers to`);
    expect(await secretsOf('missing')).toEqual([]);
    expect(await eventsOf('missing')).toEqual(['ClientCreated']);
  });

  test('for a static client is refused as ever', async () => {
    const [{ clientId }] = JSON.parse(STATIC_CLIENTS) as [{ clientId: string }];
    const root = await auth['client']!(clientId);
    const { description, scopes } = root;
    await expect(
      auth['createClient']!(clientId, { description, expires: root.expires, scopes }),
    ).rejects.toMatchObject({ statusCode: 400, code: 'InputError' });
  });
});
