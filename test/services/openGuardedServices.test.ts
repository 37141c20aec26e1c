import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import type { EndpointRequest } from '../../src/http/endpoint.ts';
import { makeCountRequest } from '../../src/http/rateLimits.ts';
import { makePipeline } from '../../src/http/pipeline.ts';
import { makeSignatureRules } from '../../src/authentication/signatureRules.ts';
import type { Quota } from '../../src/config/rateLimits.ts';
import { noDiskReserve } from '../../src/storage/diskReserve.ts';
import { ApiError } from '../../src/domain/errors.ts';
import { scopesByLevel, ACCESS_LEVEL } from '../../src/services/accessLevel.ts';
import type { GuardedService } from '../../src/services/guardedService.ts';
import { openGuardedServices } from '../../src/services/openGuardedServices.ts';
import { makeRecordCredentials } from '../../src/services/recordCredentials.ts';
import { sharedStores } from '../sharedStores.ts';
import { signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow, ROOT, startService, type TestService } from '../startService.ts';
import { issued } from './issued.ts';
import { apiValidator } from '../../src/http/validator.ts';

const secret = 'canary-setting-0123456789-abcdefgh';
const given = 'canary-credentials-0123456789';
const expires = new Date('2040-01-01T00:00:00Z');

type Tiny = { answer(): Promise<unknown> };
let answer: () => Promise<unknown>;
let opened: number;

/** A guarded service that does what a test says. */
const tiny: GuardedService<{ secret: string }, Tiny> = {
  name: 'tiny',
  variable: 'TINY',
  needs: '{secret}',
  settingSchema: { type: 'object' },
  schemas: {},
  async open() {
    opened += 1;
    if (opened === 1) throw new Error(secret);
    return { answer: () => answer() };
  },
  endpoints: [
    {
      name: 'tinyToken',
      dialects: ['older', 'current'],
      method: 'get',
      route: '/tiny/<level>/<path>',
      takesRest: true,
      patterns: { level: ACCESS_LEVEL, path: /^[^]*$/ },
      title: 'Tiny',
      description: 'Tiny.',
      category: 'Tiny',
      stability: 'experimental',
      ...scopesByLevel('tiny:<level>:<path>'),
      async issue(client, { params: { level, path } }) {
        await client.answer();
        return { body: { given }, target: path!, level: level!, expires };
      },
    },
    {
      name: 'tinyList',
      dialects: ['current'],
      method: 'get',
      route: '/tiny',
      title: 'Tiny',
      description: 'Tiny.',
      category: 'Tiny',
      stability: 'experimental',
      scopes: 'tiny:list',
      read: async (client) => ({ list: await client.answer() }),
    },
  ],
  jobs: [
    {
      name: 'tiny-job',
      every: 60_000,
      async run(client) {
        await client.answer();
        return 7;
      },
    },
  ],
};

let service: TestService;
let reader: Credentials;
let writer: Credentials;
const servers: Server[] = [];
const lines: string[] = [];
const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });

/** Serves the tiny service within a whole service, and returns how to call it. */
async function serveTiny(settings: Record<string, unknown>, recorded = true, credentials?: Quota) {
  const { core, answering, diskReserve } = service.service;
  const parts = { eventStore: core.eventStore, freshness: answering.freshness, diskReserve, log };
  const recordCredentials = recorded ? makeRecordCredentials(parts) : undefined;
  const { endpoints, jobs } = openGuardedServices([tiny], { settings, recordCredentials, log });
  const limits = { requests: undefined, credentials, authenticate: undefined };
  const intake = { maxBodyBytes: 1000, countRequest: makeCountRequest(limits, { isTrusted: () => true }) };
  const access = {
    readAccess: undefined,
    trustProxy: () => false,
    signatureRules: makeSignatureRules({
      allowedHosts: undefined,
      requirePayloadHash: false,
      nonces: undefined,
      maxNonces: 0,
      diskReserve: noDiskReserve,
    }),
  };
  const checks = { validator: apiValidator, checkReplies: true };
  const serve = makePipeline({ ...answering, endpoints, log, intake, access, checks });
  const server = createServer((request, response) => void (serve(request, response) || response.end()));
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const rootUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    jobs,
    get: (path: string, credentials: Credentials, prefix = '/api/auth/v1') =>
      signedFetch(rootUrl + prefix + path, credentials),
  };
}

beforeAll(async () => {
  service = await startService();
  const client = async (clientId: string, scopes: string[]): Promise<Credentials> => {
    const settings = { description: '', expires: minutesFromNow(60), scopes };
    const { accessToken } = await service.current()['createClient']!(clientId, settings);
    return { clientId, accessToken };
  };
  reader = await client('tiny/reader', ['tiny:read-only:a/b c*']);
  writer = await client('tiny/writer', ['tiny:read-write:*', 'tiny:list']);
});
beforeEach(() => {
  answer = async () => ['an answer'];
  opened = 1;
});
afterAll(async () => {
  for (const server of servers) server.close();
  await service.remove();
});

describe('a guarded service', () => {
  test('that is not configured says what an administrator must set, to those who have the scopes', async () => {
    const { get, jobs } = await serveTiny({});
    const refused = await get('/tiny/read-only/x', reader);
    expect(refused).toMatchObject({ status: 403, body: { code: 'InsufficientScopes' } });
    const { status, body } = await get('/tiny/read-only/x', writer);
    expect({ status, code: body.code }).toEqual({ status: 404, code: 'ResourceNotFound' });
    expect(body['message']).toContain('an administrator must set TINY to {secret}');
    expect([opened, jobs]).toEqual([1, []]);
  });

  test('gives credentials, and records for whom and what, without a secret', async () => {
    const { get } = await serveTiny({ TINY: { secret } });
    const before = (await issued(service, 'tiny')).length;
    expect(await get('/tiny/read-only/a/b%20c/d', reader)).toEqual({ status: 200, body: { given } });
    const [event, ...others] = (await issued(service, 'tiny')).slice(before);
    expect(others).toEqual([]);
    expect(event!.data).toEqual({
      service: 'tiny',
      target: 'a/b c/d',
      level: 'read-only',
      expires: expires.toJSON(),
    });
    const requestId = /^[0-9a-f-]{36}$/;
    expect(event!.metadata).toMatchObject({ actor: 'tiny/reader', sourceIp: '127.0.0.1' });
    expect(event!.metadata.requestId).toMatch(requestId);
    expect(JSON.stringify(event)).not.toContain('canary');
  });

  test('takes the rest of a path with slashes as they are or percent-encoded, also an empty one, in both dialects', async () => {
    const { get } = await serveTiny({ TINY: { secret } });
    for (const prefix of ['/v1', '/api/auth/v1']) {
      for (const path of ['/a%2Fb', '/a/b', '', '/', '//a', '/a//b/'])
        expect((await get(`/tiny/read-write${path}`, writer, prefix)).status).toBe(200);
      const targets = (await issued(service, 'tiny')).slice(-6).map(({ data }) => data.target);
      expect(targets).toEqual(['a/b', 'a/b', '', '', '/a', 'a//b/']);
    }
  });

  test('lets those read who may write, and not the other way', async () => {
    const { get } = await serveTiny({ TINY: { secret } });
    for (const prefix of ['/v1', '/api/auth/v1']) {
      expect((await get('/tiny/read-only/x', writer, prefix)).status).toBe(200);
      expect((await get('/tiny/read-write/a/b%20c', reader, prefix)).status).toBe(403);
      expect((await get('/tiny/read-more/x', writer, prefix)).body.code).toBe('InvalidRequestArguments');
    }
  });

  test('records nothing of what is no credential', async () => {
    const { get } = await serveTiny({ TINY: { secret } });
    const before = await service.service.core.eventStore.head();
    expect(await get('/tiny', writer)).toEqual({ status: 200, body: { list: ['an answer'] } });
    expect(await service.service.core.eventStore.head()).toBe(before);
  });

  test('gives a client no more credentials than its quota; what is no credential, and others, do not count', async () => {
    const { get } = await serveTiny({ TINY: { secret } }, true, { quota: 3, seconds: 3600 });
    for (let i = 0; i < 3; i += 1) expect((await get('/tiny/read-only/x', writer)).status).toBe(200);
    const before = (await issued(service, 'tiny')).length;
    const { status, body } = await get('/tiny/read-write/x', writer);
    expect({ status, code: body.code }).toEqual({ status: 429, code: 'TooManyRequests' });
    expect(body['message']).toContain('RATE_LIMIT_CREDENTIALS');
    expect(await issued(service, 'tiny')).toHaveLength(before);
    expect((await get('/tiny', writer)).status).toBe(200);
    expect((await get('/tiny/read-only/a/b%20c', reader)).status).toBe(200);
  });

  test('is opened once, and again when that failed', async () => {
    opened = 0;
    const { get } = await serveTiny({ TINY: { secret } });
    const failed = await get('/tiny', writer);
    expect(failed.body.code).toBe('BadGateway');
    for (let i = 0; i < 3; i += 1) expect((await get('/tiny', writer)).status).toBe(200);
    expect(opened).toBe(2);
  });

  test('that fails gives and records nothing, and is told of with an incident id and without its words', async () => {
    const { get } = await serveTiny({ TINY: { secret } });
    const before = await service.service.core.eventStore.head();
    answer = () => Promise.reject(new Error(`the third party says ${secret} ${given}`));
    const { status, body } = await get('/tiny/read-only/x', writer);
    expect(status).toBe(502);
    const [incident] = /[0-9a-f-]{36}/.exec(body['message']!)!;
    expect(lines.filter((line) => line.includes(incident) && line.includes('"service":"tiny"'))).toHaveLength(
      1,
    );
    answer = () => Promise.reject(new ApiError('ResourceNotFound', 'there is no such thing'));
    expect((await get('/tiny/read-only/x', writer)).body.code).toBe('ResourceNotFound');
    expect(await service.service.core.eventStore.head()).toBe(before);
    expect(JSON.stringify(body) + lines.join('')).not.toContain('canary');
  });

  test('gives and records nothing where the caller was disabled while a third party was asked', async () => {
    const { get } = await serveTiny({ TINY: { secret } });
    const before = await issued(service, 'tiny');
    answer = () => service.current()['disableClient']!('tiny/reader');
    const { status, body } = await get('/tiny/read-only/a/b%20c', reader);
    expect({ status, given: body['given'] }).toEqual({ status: 401, given: undefined });
    expect(await issued(service, 'tiny')).toEqual(before);
    await service.current()['enableClient']!('tiny/reader');
  });

  test('gives, tells and records nothing where the credential that signed was replaced while a third party was asked', async () => {
    const { get } = await serveTiny({ TINY: { secret } });
    const root = service.current();
    const settings = { description: '', expires: minutesFromNow(60), scopes: ['tiny:*'] };
    const ways = [
      () => root['resetAccessToken']!('tiny/replaced'),
      async () => {
        await root['deleteClient']!('tiny/replaced');
        await root['createClient']!('tiny/replaced', settings);
      },
    ];
    for (const replace of ways)
      for (const path of ['/tiny/read-only/x', '/tiny']) {
        answer = async () => undefined;
        await root['deleteClient']!('tiny/replaced');
        const { accessToken } = await root['createClient']!('tiny/replaced', settings);
        const credentials = { clientId: 'tiny/replaced', accessToken };
        expect((await get(path, credentials)).status).toBe(200);
        const before = (await issued(service, 'tiny')).length;
        answer = replace;
        const { status, body } = await get(path, credentials);
        expect({ status, message: body['message'] }).toEqual({
          status: 401,
          message: expect.stringContaining('another accessToken'),
        });
        expect((await issued(service, 'tiny')).length).toBe(before);
      }
  });

  test('gives and records nothing where the caller ends while a third party is asked', async () => {
    const { get } = await serveTiny({ TINY: { secret } });
    const before = (await issued(service, 'tiny')).length;
    const end = new Date(Date.now() + 1000);
    const settings = { description: '', expires: end, scopes: ['tiny:read-only:*'] };
    const { accessToken } = await service.current()['createClient']!('tiny/short', settings);
    answer = () => sleep(end.getTime() - Date.now() + 50);
    expect(await get('/tiny/read-only/x', { clientId: 'tiny/short', accessToken })).toMatchObject({
      status: 401,
    });
    expect((await issued(service, 'tiny')).length).toBe(before);
  });

  test('records nothing where that is switched off', async () => {
    const { get } = await serveTiny({ TINY: { secret } }, false);
    const before = await service.service.core.eventStore.head();
    expect((await get('/tiny/read-only/x', writer)).status).toBe(200);
    expect(await service.service.core.eventStore.head()).toBe(before);
  });

  test('counts from when a third party is asked, however slowly the request came in', async () => {
    const times: Date[] = [];
    const noteTime = async (_: unknown, { now }: { now: Date }) => {
      times.push(now);
      return { body: {}, target: '', expires };
    };
    const [issuing, reading] = tiny.endpoints;
    const endpoints = [
      { ...issuing!, issue: noteTime },
      { ...reading!, read: noteTime },
    ];
    const noting = openGuardedServices([{ ...tiny, endpoints }], {
      settings: { TINY: { secret } },
      recordCredentials: undefined,
      log,
    });
    const before = Date.now();
    const slow = {
      now: new Date(before - 60_000),
      params: {},
      origin: { requestId: 'slow' },
      authorize: async () => undefined,
    };
    for (const { handle } of noting.endpoints) await handle(slow as unknown as EndpointRequest);
    expect(times).toHaveLength(2);
    for (const time of times) expect(time.getTime()).toBeGreaterThanOrEqual(before);
  });

  test('does its jobs, whose failures are told of without their words', async () => {
    const { jobs } = await serveTiny({ TINY: { secret } });
    const { signal } = new AbortController();
    expect(await jobs[0]!.run(signal)).toBe(7);
    answer = () => Promise.reject(new Error(secret));
    await expect(jobs[0]!.run(signal)).rejects.toThrow(/^tiny failed/);
    expect(lines.join('')).not.toContain('canary');
  });
});

describe('credentials', () => {
  const STATSUM = JSON.stringify({ secret, baseUrl: 'https://statsum.example.com' });
  const ask = ({ rootUrl }: { rootUrl: string }) => signedFetch(`${rootUrl}/v1/statsum/p/token`, ROOT);

  test('are not given when they cannot be recorded', async () => {
    const node = await sharedStores().startNode({ STATSUM });
    node.link.isLogCut = true;
    const { status, body } = await ask(node);
    expect({ status, token: body['token'] }).toEqual({ status: 503, token: undefined });
    expect(body['message']).toContain('cannot be written to');
    node.link.isLogCut = false;
    await node.stop();
  });

  test('are given unrecorded with RECORD_CREDENTIALS=false', async () => {
    const node = await sharedStores().startNode({ STATSUM, RECORD_CREDENTIALS: 'false' });
    expect((await ask(node)).status).toBe(200);
    expect(await issued(node, 'statsum')).toEqual([]);
    await node.stop();
  });

  test('that were recorded stop neither the node nor others, and are there after a restart', async () => {
    const stores = sharedStores();
    const [one, other] = [await stores.startNode({ STATSUM }), await stores.startNode({ STATSUM })];
    for (const node of [one, other, one]) expect((await ask(node)).status).toBe(200);
    expect((await issued(one, 'statsum')).map(({ revision }) => revision)).toEqual([0, 1, 2]);
    await one.stop();
    await other.stop();
    const again = await stores.startNode({ STATSUM });
    expect((await ask(again)).status).toBe(200);
    await again.stop();
  });
});
