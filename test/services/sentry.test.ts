import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { askThirdParty } from '../../src/services/askThirdParty.ts';
import type { GuardedRequest } from '../../src/services/guardedService.ts';
import { sentry } from '../../src/services/sentry.ts';
import { keyExpiry, keyName } from '../../src/services/sentryApi.ts';
import { authorizationFor } from '../signed.ts';
import { minutesFromNow, ROOT, type TestService } from '../startService.ts';
import { issued } from './issued.ts';
import {
  HOUR,
  hours,
  managed,
  ORGANIZATION,
  PREFIX,
  refuse,
  type SentryDouble,
  startWithSentry,
  TEAM,
} from './sentryDouble.ts';

const keysOf = (project: string): string => `/api/0/projects/${ORGANIZATION}/${project}/keys/`;
const newProjects = `/api/0/teams/${ORGANIZATION}/${TEAM}/projects/`;

let double: SentryDouble;
let service: TestService;
beforeAll(async () => {
  ({ double, service } = await startWithSentry());
});
beforeEach(() => double.reset());
afterAll(async () => {
  await service.remove();
  await double.stop();
});

const dsn = (project: string) => service.current()['sentryDSN']!(project);
/** The code of the refusal. Also checks that the reply contains no secret. */
async function refusalOf(project: string): Promise<{ code: string; statusCode: number; message: string }> {
  const { code, statusCode, message, body } = await dsn(project).catch((error: unknown) => error);
  expect(JSON.stringify([message, body]) + service.logged()).not.toContain('canary');
  return { code, statusCode, message };
}

describe('sentryDSN', () => {
  test.each(['current', 'older'] as const)(
    'creates a project that is missing and a key in it, through the %s client',
    async (dialect) => {
      const settings = { description: '', expires: minutesFromNow(60), scopes: ['auth:sentry:new-*'] };
      const clientId = `sentry/${dialect}`;
      const { accessToken } = await service.current()['createClient']!(clientId, settings);
      const project = `new-${dialect}`;
      const { expires, ...reply } = await service[dialect]({ clientId, accessToken })['sentryDSN']!(project);
      const [other, key] = double.projects.get(project)!;
      expect([other!.name, reply]).toEqual([
        'Default',
        { project, dsn: { secret: key!.dsn.secret, public: key!.dsn.public } },
      ]);
      expect(double.requests).toEqual([
        `GET ${keysOf(project)}`,
        `POST ${newProjects}`,
        `GET ${keysOf(project)}`,
        `POST ${keysOf(project)}`,
      ]);
      const end = keyExpiry(PREFIX, key!.name)!;
      expect(end.getTime() - Date.parse(expires)).toBe(24 * HOUR);
      const [event] = (await issued(service, 'sentry')).slice(-1);
      expect(event).toMatchObject({ metadata: { actor: clientId } });
      expect(event!.data).toEqual({ service: 'sentry', target: project, expires: end.toJSON() });
      expect(service.logged()).not.toContain('canary');
      await expect(service[dialect]({ clientId, accessToken })['sentryDSN']!('other')).rejects.toMatchObject({
        statusCode: 403,
      });
    },
  );

  test('gives the key again that lasts longest, from whichever page, and asks nothing else', async () => {
    double.projects.set('p', []);
    double.pageSize = 2;
    const longest = hours(47);
    for (const name of ['Default', managed(hours(1)), managed(hours(30))]) double.addKey('p', name);
    const key = double.addKey('p', managed(longest));
    double.addKey('p', managed(hours(25)));
    expect((await dsn('p')).dsn.public).toBe(key.dsn.public);
    expect((await issued(service, 'sentry')).at(-1)!.data.expires).toBe(longest.toJSON());
    const cursors = ['', '?cursor=0%3A2%3A0', '?cursor=0%3A4%3A0'];
    expect(double.requests).toEqual(cursors.map((cursor) => `GET ${keysOf('p')}${cursor}`));
  });

  test('makes a new key where none is its own, enabled, and good for a day', async () => {
    double.projects.set('p', []);
    double.addKey('p', managed(hours(47)), false);
    double.addKey('p', managed(hours(23.9)));
    double.addKey('p', keyName('other', hours(47)));
    double.addKey('p', `${managed(hours(47))} `);
    const before = double.projects.get('p')!.map(({ id }) => id);
    const given = await dsn('p');
    const [key, ...others] = double.projects.get('p')!.filter(({ id }) => !before.includes(id));
    expect([given.dsn.secret, others]).toEqual([key!.dsn.secret, []]);
  });

  test('makes one project and one key for many who ask together', async () => {
    const given = await Promise.all(Array.from({ length: 5 }, () => dsn('together')));
    expect(new Set(given.map((each) => each.dsn.secret)).size).toBe(1);
    expect(double.projects.get('together')).toHaveLength(2);
  });

  test('gives the key of another node that created the project at the same time', async () => {
    double.instead = (what) => {
      if (what !== `POST ${newProjects}`) return undefined;
      double.projects.set('raced', []);
      double.addKey('raced', managed(hours(48)));
      return undefined;
    };
    const { secret } = (await dsn('raced')).dsn;
    expect(double.projects.get('raced')!.map((key) => key.dsn.secret)).toEqual([secret]);
  });

  test('refuses a name that Sentry would take for an id, and one that it does not take', async () => {
    expect(await refusalOf('123')).toMatchObject({ code: 'InputError' });
    expect(double.requests).toEqual([]);
    expect(await refusalOf('UpperCase')).toMatchObject({ code: 'InputError' });
  });

  test.each([
    ['refuses the token', 401],
    ['allows too little', 403],
    ['fails', 500],
    ['sends elsewhere', 302],
  ])('is BadGateway when Sentry %s, and the log has the status', async (_, status) => {
    double.projects.set('p', []);
    double.instead = () => (__, response) => {
      response.setHeader('location', `${double.baseUrl}/stolen`);
      refuse(response, status);
    };
    expect(await refusalOf('p')).toMatchObject({ code: 'BadGateway' });
    expect(service.logged()).toContain(`"failure":{"name":"Error","status":${status}}`);
    expect(double.requests).toEqual([`GET ${keysOf('p')}`]);
  });

  test('is BadGateway where neither project nor team are there', async () => {
    double.instead = () => (_, response) => refuse(response, 404);
    expect(await refusalOf('p')).toMatchObject({ code: 'BadGateway' });
    expect(double.requests).toEqual([`GET ${keysOf('p')}`, `POST ${newProjects}`]);
  });

  const key = { id: 'a', name: managed(hours(47)), dsn: { secret: 'https://a:b@c', public: 'https://a@c' } };
  test.each([
    ['no JSON', '<html>canary'],
    ['no list', '{"canary": 1}'],
    ['empty', ''],
    ['of another form', JSON.stringify([{ ...key, dsn: { public: 'canary' } }])],
    ['that would make another path', JSON.stringify([{ ...key, id: '../..' }])],
    ['larger than a list of keys is', JSON.stringify(['canary'.repeat(1_000_000)])],
  ])('is BadGateway when the answer is %s', async (_, answer) => {
    double.instead = () => (__, response) => void response.end(answer);
    expect(await refusalOf('p')).toMatchObject({ code: 'BadGateway' });
  });

  test('reads no list without an end', async () => {
    double.projects.set('p', []);
    double.instead = () => (_, response) => {
      response.setHeader('link', '<https://x.example.com>; rel="next"; results="true"; cursor="0:1:0"');
      response.end('[]');
    };
    expect(await refusalOf('p')).toMatchObject({ code: 'BadGateway' });
    expect(double.requests).toHaveLength(100);
  });

  test.each([
    [{ 'retry-after': '17' }, /^17$/],
    [{ 'retry-after': new Date(Date.now() + HOUR / 2).toUTCString() }, /^1[78]\d\d$/],
    [{ 'x-sentry-rate-limit-reset': String(Math.floor(Date.now() / 1000) - 3) }, /^1$/],
    [{ 'retry-after': 'canary' }, /^60$/],
    [{ 'retry-after': '9'.repeat(30) }, /^3600$/],
  ])('is TooManyRequests with when to try again: %#', async (headers, seconds) => {
    double.instead = () => (_, response) => {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      refuse(response, 429);
    };
    const url = `${service.rootUrl}/api/auth/v1/sentry/p/dsn`;
    const reply = await fetch(url, { headers: { authorization: authorizationFor(url, 'GET', ROOT) } });
    const retryAfter = reply.headers.get('retry-after')!;
    expect(retryAfter).toMatch(seconds);
    const refusal = { code: 'TooManyRequests', message: expect.stringContaining(`in ${retryAfter} s`) };
    expect(await reply.json()).toMatchObject(refusal);
    expect(service.logged()).not.toContain('canary');
  });

  test('is GatewayTimeout when Sentry is slow, which others that asked later and have time left are not told', async () => {
    const waiting: (() => void)[] = [];
    double.instead = () => (_, response) => void waiting.push(() => response.end('[]'));
    const client = await sentry.open(double.setting());
    const ask = (patience: number) => {
      const asking = {
        service: 'sentry',
        method: 'sentryDSN',
        incidentId: 'i',
        log: pino({ level: 'silent' }),
      };
      const request = { now: new Date(), params: { project: 'slow' } as Record<string, string> };
      const { issue } = sentry.endpoints[0] as { issue(client: unknown, request: unknown): Promise<unknown> };
      return askThirdParty(
        (signal) => issue(client, { ...request, signal } as GuardedRequest),
        asking,
        patience,
      );
    };
    const [first, second] = [ask(50), ask(8000)];
    await expect(first).rejects.toMatchObject({ code: 'GatewayTimeout' });
    double.projects.set('slow', []);
    double.instead = () => undefined;
    // It sends a request of its own after the first one timed out.
    expect(await second).toMatchObject({ target: 'slow' });
  });
});
