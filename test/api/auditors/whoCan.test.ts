import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { questionToken } from '../../../src/api/auditors/questionToken.ts';
import { signedFetch } from '../../signed.ts';
import {
  type Credentials,
  minutesFromNow,
  ROOT,
  startService,
  type TestService,
} from '../../startService.ts';

type Way = { scope: string; held: string; via: string[] };
type Page = {
  position: string;
  at: string;
  clients: { clientId: string; disabled: boolean; expired: boolean; ways: Way[] }[];
  roles: { roleId: string; ways: Way[] }[];
  grantors?: { clients: { clientId: string; rights: string[]; complete: boolean }[]; complete: boolean };
  complete: boolean;
  continuationToken?: string;
};

let service: TestService;
let beforeDeletion: string;
const tokens = new Map<string, string>();
const signer = (clientId: string): Credentials => ({ clientId, accessToken: tokens.get(clientId)! });

async function createClient(clientId: string, scopes: string[], expires = minutesFromNow(60)): Promise<void> {
  const settings = { description: '', expires, scopes };
  tokens.set(clientId, (await service.current()['createClient']!(clientId, settings)).accessToken as string);
}

function ask(body: object, credentials = ROOT) {
  return signedFetch(`${service.rootUrl}/api/authledger/v1/who-can`, credentials, { method: 'POST', body });
}

async function page(body: object): Promise<Page> {
  const reply = await ask(body);
  expect(reply).toMatchObject({ status: 200 });
  return reply.body as unknown as Page;
}

async function allPages(body: object): Promise<Page[]> {
  const pages = [await page(body)];
  for (let token = pages[0]!.continuationToken; token !== undefined; token = pages.at(-1)!.continuationToken)
    pages.push(await page({ ...body, continuationToken: token }));
  return pages;
}

const idsIn = ({ clients, roles }: Page): string[] => [
  ...clients.map(({ clientId }) => clientId),
  ...roles.map(({ roleId }) => `role ${roleId}`),
];

beforeAll(async () => {
  service = await startService();
  const auth = service.current();
  await auth['createRole']!('team:*', { description: '', scopes: ['queue:<..>:run', 'index:<..>'] });
  await auth['createRole']!('lead', { description: '', scopes: ['assume:team:a'] });
  await createClient('a/direct', ['queue:a:run']);
  await createClient('a/star', ['queue:*', 'auth:update-role:team:*']);
  await createClient('b/lead', [
    'assume:lead',
    'auth:create-client:x/*',
    'auth:update-client:x/y',
    'auth:get-client:*',
  ]);
  await createClient('b/other', ['assume:team:b', 'auth:update-role:*']);
  await createClient('c/disabled', ['assume:team:a']);
  await auth['disableClient']!('c/disabled');
  await createClient('c/expired', ['queue:a:run'], minutesFromNow(-1));
  await createClient('d/gone', ['queue:a:run']);
  beforeDeletion = (await page({ expression: 'queue:a:run' })).position;
  await auth['deleteClient']!('d/gone');
  await createClient('auditor', ['authledger:who-can']);
  await createClient('historian', [
    'authledger:who-can',
    'auth:audit-history:client',
    'auth:audit-history:role',
  ]);
});
afterAll(() => service.remove());

const scope = 'queue:a:run';

describe('whoCan', () => {
  test('names clients and roles in the order of their ids, each with its way, and stars as they are held', async () => {
    const { clients, roles, complete, continuationToken } = await page({ expression: scope });
    expect(clients.map(({ clientId, ways }) => [clientId, ways])).toEqual([
      ['a/direct', [{ scope, held: scope, via: [] }]],
      ['a/star', [{ scope, held: 'queue:*', via: [] }]],
      ['b/lead', [{ scope, held: 'assume:lead', via: ['lead', 'team:*'] }]],
      ['static/root', [{ scope, held: '*', via: [] }]],
    ]);
    expect(roles).toEqual([
      { roleId: 'lead', ways: [{ scope, held: 'assume:lead', via: ['lead', 'team:*'] }] },
      { roleId: 'team:*', ways: [{ scope, held: 'assume:team:*', via: ['team:*'] }] },
    ]);
    expect({ complete, continuationToken }).toEqual({ complete: true, continuationToken: undefined });
  });

  test('leaves out who is disabled or had expired, unless they are asked for', async () => {
    const { clients } = await page({ expression: scope, includeDisabled: true });
    expect(clients.map(({ clientId, disabled, expired }) => ({ clientId, disabled, expired }))).toEqual(
      expect.arrayContaining([
        { clientId: 'a/direct', disabled: false, expired: false },
        { clientId: 'c/disabled', disabled: true, expired: false },
        { clientId: 'c/expired', disabled: false, expired: true },
      ]),
    );
  });

  test('answers for expressions, with a way for each scope that counts', async () => {
    const expression = { AllOf: [scope, { AnyOf: ['none', 'index:a', 'auth:get-client:b'] }] };
    const { clients } = await page({ expression });
    expect(clients.map(({ clientId, ways }) => [clientId, ways.map((way) => way.scope)])).toEqual([
      ['b/lead', [scope, 'index:a']],
      ['static/root', [scope, 'none']],
    ]);
  });

  test('names who could give it, with the rights to do so, on the first page', async () => {
    const first = await page({ expression: scope, limit: 2 });
    expect(first.grantors).toEqual({
      clients: [
        ['a/star', ['auth:update-role:team:*']],
        ['b/lead', ['auth:create-client:x/*', 'auth:update-client:x/y']],
        ['static/root', ['*']],
      ].map(([clientId, rights]) => ({
        ...{ clientId, disabled: false, expired: false },
        ...{ rights, complete: true },
      })),
      complete: true,
    });
    const { continuationToken } = first;
    expect(await page({ expression: scope, continuationToken })).not.toHaveProperty('grantors');
  });

  test('goes on with clients and then roles, page by page', async () => {
    const whole = idsIn(await page({ expression: 'index:a' }));
    expect(whole).toEqual(['b/lead', 'static/root', 'role lead', 'role team:*']);
    for (const limit of [1, 2, 3]) {
      const pages = await allPages({ expression: 'index:a', limit });
      expect(pages.flatMap(idsIn)).toEqual(whole);
      expect(pages.map(({ complete }) => complete)).toEqual(pages.map((_, i) => i === pages.length - 1));
      for (const { clients, roles } of pages)
        expect(clients.length + roles.length).toBeLessThanOrEqual(limit);
    }
  });

  test('is found in the index of scopes where many clients come first', async () => {
    for (let from = 0; from < 320; from += 20)
      await Promise.all(
        Array.from({ length: 20 }, (_, i) => createClient(`many/${from + i}`, [`own:${from + i}`])),
      );
    await createClient('z/last', ['assume:lead']);
    await createClient('z/star', ['assume:team*']);
    const found = idsIn(await page({ expression: scope }));
    expect(found.filter((id) => !id.startsWith('static/'))).toEqual([
      ...['a/direct', 'a/star', 'b/lead', 'z/last', 'z/star'],
      ...['role lead', 'role team:*'],
    ]);
    const pages = await allPages({ expression: scope, limit: 2 });
    expect(pages.flatMap(idsIn)).toEqual(found);
  }, 60_000);
});

describe('whoCan at a moment', () => {
  test('answers as it was, page after page of the same moment, while writes go on', async () => {
    const question = { expression: scope, at: beforeDeletion };
    const then = await page(question);
    expect(then.position).toBe(beforeDeletion);
    expect(idsIn(then)).toEqual([
      'a/direct',
      'a/star',
      'b/lead',
      'd/gone',
      'static/root',
      'role lead',
      'role team:*',
    ]);
    const pages = [await page({ ...question, limit: 2 })];
    for (let i = 0; pages.at(-1)!.continuationToken !== undefined; i += 1) {
      await createClient(`a/later-${i}`, [scope]);
      const { continuationToken } = pages.at(-1)!;
      pages.push(await page({ ...question, limit: 2, continuationToken }));
    }
    expect(pages.flatMap(idsIn)).toEqual(idsIn(then));
  });

  test('judges at the time that is asked about who had expired', async () => {
    const expires = new Date(Date.now() + 500).toJSON();
    await createClient('expiring', ['only:expiring'], expires);
    const { position, clients } = await page({ expression: 'only:expiring' });
    expect(clients.map(({ clientId }) => clientId)).toContain('expiring');
    await new Promise((resolve) => setTimeout(resolve, 600));
    const idsAt = async (at?: string) =>
      idsIn(await page({ expression: 'only:expiring', ...(at && { at }) }));
    expect(await idsAt()).toEqual(['static/root']);
    expect(await idsAt(new Date().toJSON())).toEqual(['static/root']);
    expect(await idsAt(position)).toEqual(['expiring', 'static/root']);
    const before = new Date().toJSON();
    expect((await page({ expression: 'only:expiring' })).at >= before).toBe(true);
    expect((await page({ expression: 'only:expiring', at: before })).at).toBe(before);
    expect((await page({ expression: 'only:expiring', at: position })).at < expires).toBe(true);
  });

  test('before the first event there is nobody', async () => {
    expect(await page({ expression: scope, at: '2000-01-01T00:00:00Z' })).toMatchObject({
      clients: [],
      roles: [],
      complete: true,
    });
  });
});

describe('whoCan refuses', () => {
  test('who lacks its scope, and for the past those of the histories', async () => {
    expect((await ask({ expression: scope }, signer('a/star'))).body).toMatchObject({
      code: 'InsufficientScopes',
      details: { missing: ['authledger:who-can'] },
    });
    expect((await ask({ expression: scope }, signer('auditor'))).status).toBe(200);
    expect((await ask({ expression: scope, at: beforeDeletion }, signer('auditor'))).body).toMatchObject({
      details: { missing: ['auth:audit-history:client', 'auth:audit-history:role'] },
    });
    expect((await ask({ expression: scope, at: beforeDeletion }, signer('historian'))).status).toBe(200);
  });

  test.each<[string, object, object]>([
    ['of another expression', { expression: 'index:a' }, {}],
    ['with others that are disabled', { includeDisabled: true }, {}],
    ['of the present for the past', {}, { at: undefined }],
    ['of the past without it', { at: undefined }, {}],
    ['of another moment', { at: '2020-01-01T00:00:00Z' }, {}],
  ])('a token %s, but not for another limit', async (_, other, asked) => {
    const question = { expression: scope, at: beforeDeletion, ...asked };
    const { continuationToken } = await page({ ...question, limit: 1 });
    expect((await ask({ ...question, limit: 5, continuationToken })).status).toBe(200);
    const differently = { ...question, at: beforeDeletion, ...other };
    expect(await ask({ ...differently, continuationToken })).toMatchObject({
      status: 400,
      body: { code: 'InvalidRequestArguments', message: expect.stringContaining('this continuationToken') },
    });
  });

  const inBase64 = (text: string): string => Buffer.from(text).toString('base64url');
  test.each([
    ['a token of something else', { expression: scope, continuationToken: inBase64('client/a') }],
    ['a token that nobody made', { expression: scope, continuationToken: 'A' }],
    [
      'a token for a place that is none',
      {
        expression: scope,
        continuationToken: questionToken(
          { expression: scope, includeDisabled: false },
          { page: inBase64('a/direct') },
        ),
      },
    ],
    [
      'a token without a place',
      {
        expression: scope,
        continuationToken: questionToken({ expression: scope, includeDisabled: false }, {}),
      },
    ],
    ['a future time', { expression: scope, at: '2999-01-01T00:00:00Z' }],
  ])('%s', async (_, body) => {
    expect(await ask(body)).toMatchObject({ status: 400, body: { code: 'InvalidRequestArguments' } });
  });

  const nested = (levels: number): object | string => (levels === 0 ? 'x' : { AnyOf: [nested(levels - 1)] });
  test.each([
    ['an expression of neither kind', { expression: { OneOf: ['a'] } }, 'InputValidationError'],
    ['an expression of nothing', { expression: { AllOf: [] } }, 'InputValidationError'],
    ['a limit of 0', { expression: 'x', limit: 0 }, 'InputValidationError'],
    ['more than 100 scopes', { expression: { AnyOf: Array.from({ length: 101 }, String) } }, 'InputError'],
    ['more than 10 levels', { expression: nested(11) }, 'InputError'],
  ])('%s', async (_, body, code) => {
    expect(await ask(body)).toMatchObject({ status: 400, body: { code } });
  });

  test('scopes whose beginnings are too many', async () => {
    const expression = { AnyOf: Array.from({ length: 20 }, (_, i) => `${i}`.padEnd(2000, 'x')) };
    expect((await ask({ expression }, signer('historian'))).body).toMatchObject({
      code: 'InputError',
      details: { limit: 400_000 },
    });
  });

  test('no expression of 100 scopes and 10 levels', async () => {
    const hundred = { AnyOf: Array.from({ length: 100 }, (_, i) => `queue:${i}`) };
    expect((await page({ expression: hundred })).clients.map(({ clientId }) => clientId)).toContain('a/star');
    expect((await ask({ expression: nested(10) })).status).toBe(200);
  });
});
