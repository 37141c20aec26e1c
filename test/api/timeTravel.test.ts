import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sharedStores } from '../sharedStores.ts';
import { authorizationFor } from '../signed.ts';
import {
  type Credentials,
  minutesFromNow,
  type OfficialClient,
  ROOT,
  startService,
  type TestService,
} from '../startService.ts';

let service: TestService;
let auth: OfficialClient;
/** Positions in the order of the changes, and times between them. */
const positions: string[] = [];
const times: string[] = [];
beforeAll(async () => {
  service = await startService();
  auth = service.current();
});
afterAll(() => service.remove());

type Asked = { method?: string; body?: object; credentials?: Credentials | null; headers?: object };
type Told = { status: number; body: Record<string, unknown>; position: string | null; time: string | null };

async function ask(path: string, { method = 'GET', body, credentials, headers }: Asked = {}): Promise<Told> {
  const url = service.rootUrl + path;
  const by = credentials === undefined ? service.root : credentials;
  const reply = await fetch(url, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(by && { authorization: authorizationFor(url, method, by) }),
      ...(headers as Record<string, string>),
    },
    body: body && JSON.stringify(body),
  });
  const text = await reply.text();
  return {
    status: reply.status,
    body: (text === '' ? {} : JSON.parse(text)) as Told['body'],
    position: reply.headers.get('auth-position'),
    time: reply.headers.get('auth-position-time'),
  };
}

const settings = (...scopes: string[]) => ({ description: '', expires: minutesFromNow(60), scopes });

/** Makes a change, and notes its position and a time after it. */
async function change(method: string, path: string, body?: object): Promise<void> {
  const { status, position } = await ask(`/api/auth/v1${path}`, { method, body });
  expect(status).toBeLessThan(300);
  positions.push(position!);
  await sleep(5);
  times.push(new Date().toJSON());
  await sleep(5);
}

let before: string;
beforeAll(async () => {
  before = new Date().toJSON();
  await sleep(5);
  await change('PUT', '/clients/c', settings('assume:r')); // 0
  await change('PUT', '/roles/r', { description: 'first', scopes: ['a', 'assume:s'] }); // 1
  await change('PUT', '/roles/s', { description: '', scopes: ['b'] }); // 2
  await change('POST', '/roles/s', { description: '', scopes: ['b2'] }); // 3
  await change('DELETE', '/roles/r'); // 4
  await change('DELETE', '/clients/c'); // 5
  await change('PUT', '/clients/c', settings('again')); // 6
  await change('POST', '/clients/c', settings('changed')); // 7
}, 20_000);

/** A moment by its position, and by its time. */
const moments = (i: number): string[] => [positions[i]!, times[i]!];
const isOurs = ({ clientId }: { clientId: string }): boolean => clientId === 'c';

/** What each method says of a moment, as far as it concerns the client c and the roles r and s. */
const METHODS: Record<string, { path: string; asked?: Asked; shown(body: never): unknown }> = {
  client: {
    path: '/api/auth/v1/clients/c',
    shown: ({ scopes, expandedScopes }: Record<string, string[]>) => ({ scopes, expandedScopes }),
  },
  'client in the older dialect': {
    path: '/v1/clients/c',
    shown: ({ scopes, expandedScopes }: Record<string, string[]>) => ({ scopes, expandedScopes }),
  },
  listClients: {
    path: '/api/auth/v1/clients/',
    shown: ({ clients }: { clients: { clientId: string; expandedScopes: string[] }[] }) =>
      clients.filter(isOurs).map(({ expandedScopes }) => expandedScopes),
  },
  'listClients in the older dialect': {
    path: '/v1/clients/',
    shown: (clients: { clientId: string; expandedScopes: string[] }[]) =>
      clients.filter(isOurs).map(({ expandedScopes }) => expandedScopes),
  },
  'listClients in the older dialect, in pages': {
    path: '/v1/clients/?limit=1000',
    shown: ({ clients }: { clients: { clientId: string; expandedScopes: string[] }[] }) =>
      clients.filter(isOurs).map(({ expandedScopes }) => expandedScopes),
  },
  role: {
    path: '/api/auth/v1/roles/s',
    shown: ({ expandedScopes }: Record<string, string[]>) => expandedScopes,
  },
  'role in the older dialect': {
    path: '/v1/roles/s',
    shown: ({ expandedScopes }: Record<string, string[]>) => expandedScopes,
  },
  listRoles: { path: '/api/auth/v1/roles/', shown: rolesShown },
  'listRoles in the older dialect': { path: '/v1/roles/', shown: rolesShown },
  listRoles2: {
    path: '/api/auth/v1/roles2/',
    shown: ({ roles }: { roles: { roleId: string; expandedScopes: string[] }[] }) => rolesShown(roles),
  },
  'listRoles2 in pages': {
    path: '/api/auth/v1/roles2/?limit=10',
    shown: ({ roles }: { roles: { roleId: string; expandedScopes: string[] }[] }) => rolesShown(roles),
  },
  listRoleIds: { path: '/api/auth/v1/roleids/', shown: ({ roleIds }: { roleIds: string[] }) => roleIds },
  'listRoleIds in pages': {
    path: '/api/auth/v1/roleids/?limit=10',
    shown: ({ roleIds }: { roleIds: string[] }) => roleIds,
  },
  expandScopes: {
    path: '/api/auth/v1/scopes/expand',
    asked: { method: 'POST', body: { scopes: ['assume:r'] } },
    shown: ({ scopes }: { scopes: string[] }) => scopes,
  },
  'expandScopes in the older dialect': {
    path: '/v1/scopes/expand',
    asked: { method: 'POST', body: { scopes: ['assume:r'] } },
    shown: ({ scopes }: { scopes: string[] }) => scopes,
  },
};

function rolesShown(roles: { roleId: string; expandedScopes: string[] }[]): unknown {
  return roles.map(({ roleId, expandedScopes }) => [roleId, expandedScopes]);
}

const ASSUMED = ['assume:r'];
const WHOLE = ['a', 'assume:r', 'assume:s', 'b'];
const LATER = ['a', 'assume:r', 'assume:s', 'b2'];
const r = (...scopes: string[]) => ['r', ['a', 'assume:r', 'assume:s', ...scopes]];
const s = (scope: string) => ['s', ['assume:s', scope]];
const ROLES = [[], [r()], [r('b'), s('b')], [r('b2'), s('b2')], [s('b2')], [s('b2')]];
const CLIENT = [
  ASSUMED,
  ['a', 'assume:r', 'assume:s'],
  WHOLE,
  LATER,
  ASSUMED,
  undefined,
  ['again'],
  ['changed'],
];
const OWN = [ASSUMED, ASSUMED, ASSUMED, ASSUMED, ASSUMED, undefined, ['again'], ['changed']];
const ofClient = CLIENT.map((expandedScopes, i) => expandedScopes && { scopes: OWN[i], expandedScopes });
const inList = CLIENT.map((expandedScopes) => (expandedScopes ? [expandedScopes] : []));
const ofRole = [undefined, undefined, s('b')[1], s('b2')[1]];
const ids = [[], ['r'], ['r', 's'], ['r', 's'], ['s']];
const expanded = [ASSUMED, ['a', 'assume:r', 'assume:s'], WHOLE, LATER, ASSUMED];

/** By method: what it shows at each position; undefined for a 404. */
const EXPECTED: Record<string, unknown[]> = {
  client: ofClient,
  'client in the older dialect': ofClient,
  listClients: inList,
  'listClients in the older dialect': inList,
  'listClients in the older dialect, in pages': inList,
  role: ofRole,
  'role in the older dialect': ofRole,
  listRoles: ROLES,
  'listRoles in the older dialect': ROLES,
  listRoles2: ROLES,
  'listRoles2 in pages': ROLES,
  listRoleIds: ids,
  'listRoleIds in pages': ids,
  expandScopes: expanded,
  'expandScopes in the older dialect': expanded,
};

const withAt = (path: string, at: string): string => `${path}${path.includes('?') ? '&' : '?'}at=${at}`;

describe('at any moment, by position and by time', () => {
  test.each(Object.keys(METHODS))('%s shows what was there, and says when that was', async (name) => {
    const { path, asked, shown } = METHODS[name]!;
    for (const [i, expectedNow] of EXPECTED[name]!.entries())
      for (const at of moments(i)) {
        const reply = await ask(withAt(path, at), asked);
        if (expectedNow === undefined)
          expect(reply).toMatchObject({
            status: 404,
            position: positions[i],
            body: { message: expect.stringContaining(`did not exist at ${positions[i]}`) },
          });
        else {
          expect({ at, status: reply.status, shown: shown(reply.body as never) }).toEqual({
            at,
            status: 200,
            shown: expectedNow,
          });
          expect(reply.position).toBe(positions[i]);
          const { time } = reply;
          expect(time! <= times[i]! && time! > (times[i - 1] ?? before)).toBe(true);
        }
      }
  });

  test('expandScopes by a GET with a body does, too', async () => {
    for (const prefix of ['/v1', '/api/auth/v1']) {
      const url = `${service.rootUrl}${prefix}/scopes/expand?at=${positions[2]}`;
      const text = await new Promise<string>((resolve, reject) => {
        const body = JSON.stringify({ scopes: ['assume:r'] });
        const headers = {
          'content-type': 'application/json',
          'content-length': body.length,
          authorization: authorizationFor(url, 'GET', service.root),
        };
        const sent = request(url, { method: 'GET', headers }, (reply) => {
          let received = '';
          reply.on('data', (chunk: Buffer) => (received += chunk.toString()));
          reply.on('end', () => resolve(received));
        });
        sent.on('error', reject).end(body);
      });
      expect(JSON.parse(text)).toEqual({ scopes: WHOLE });
    }
  });

  test.each(Object.keys(METHODS))(
    '%s of a time before the first event is of the empty state',
    async (name) => {
      const { path, asked } = METHODS[name]!;
      const reply = await ask(withAt(path, '2020-01-01T00:00:00Z'), asked);
      const start = `${positions[0]!.split('.')[0]}.${'0'.repeat(20)}`;
      if (/^(client|role)( |$)/.test(name)) expect(reply.status).toBe(404);
      else {
        expect(reply).toMatchObject({ status: 200, position: start, time: null });
        const list = Object.values(reply.body)[0] ?? [];
        expect(list).toEqual(name.startsWith('expand') ? ['assume:r'] : []);
      }
    },
  );

  test('without at, a reply has neither header', async () => {
    expect(await ask('/api/auth/v1/clients/c')).toMatchObject({ status: 200, position: null, time: null });
  });

  test('a time may be in any zone and precision', async () => {
    const time = new Date(times[2]!);
    const eastern = `${new Date(time.getTime() + 5.5 * 3_600_000).toJSON().slice(0, -1)}%2B05:30`;
    for (const at of [eastern, times[2]!.replace('Z', '000Z'), times[2]!.replace('T', 't').replace('Z', 'z')])
      expect(await ask(withAt('/api/auth/v1/roles/s', at))).toMatchObject({
        status: 200,
        position: positions[2],
      });
  });

  test('lastDateUsed is when the client was created in that life', async () => {
    const [first, second] = await Promise.all(
      [0, 7].map(async (i) => (await ask(withAt('/api/auth/v1/clients/c', positions[i]!))).body),
    );
    for (const body of [first!, second!]) expect(body['lastDateUsed']).toBe(body['created']);
    expect(String(second!['created']) > String(first!['created'])).toBe(true);
    const { body } = await ask(withAt('/api/auth/v1/clients/?prefix=c', positions[0]!));
    expect(body).toMatchObject({ clients: [{ lastDateUsed: first!['created'] }] });
  });

  test('ids with odd characters are told apart', async () => {
    const clientIds = ['odd', 'odd!', 'odd!/x', 'odd/', 'odd|+@:.-_'];
    const roleIds = ['odd', 'odd*', 'odd ~', 'odd"\\%', 'odd/é'.slice(0, 4)];
    for (const id of clientIds)
      await ask(`/api/auth/v1/clients/${encodeURIComponent(id)}`, { method: 'PUT', body: settings(id) });
    for (const id of roleIds)
      await ask(`/api/auth/v1/roles/${encodeURIComponent(id)}`, {
        method: 'PUT',
        body: { description: '', scopes: [`x:${id}`] },
      });
    const { position } = await ask('/api/auth/v1/clients/odd/disable', { method: 'POST' });
    for (const id of clientIds)
      await ask(`/api/auth/v1/clients/${encodeURIComponent(id)}`, { method: 'DELETE' });
    for (const id of roleIds) await ask(`/api/auth/v1/roles/${encodeURIComponent(id)}`, { method: 'DELETE' });
    for (const id of clientIds)
      expect(await ask(withAt(`/api/auth/v1/clients/${encodeURIComponent(id)}`, position!))).toMatchObject({
        status: 200,
        body: { clientId: id, scopes: [id], disabled: id === 'odd' },
      });
    for (const id of roleIds)
      expect(await ask(withAt(`/api/auth/v1/roles/${encodeURIComponent(id)}`, position!))).toMatchObject({
        status: 200,
        body: { roleId: id, scopes: [`x:${id}`] },
      });
    const { body } = await ask(withAt('/api/auth/v1/clients/?prefix=odd', position!));
    expect((body['clients'] as { clientId: string }[]).map(({ clientId }) => clientId)).toEqual(
      [...clientIds].sort(),
    );
  });
});

describe('refused is', () => {
  const roles = '/api/auth/v1/roleids/?limit=1';
  test.each<[string, () => string, RegExp]>([
    ['a time in the future', () => `at=${minutesFromNow(1)}`, /at must not be in the future: it is 20/],
    [
      'a position of another log',
      () => `at=${positions[0]!.replace(/^.{12}/, '0'.repeat(12))}`,
      /position of this log/,
    ],
    [
      'a position beyond the end',
      () => `at=${positions[0]!.replace(/.$/, '').replace(/0/g, '9')}9`,
      /position/,
    ],
    [
      'a position far beyond the end',
      () => `at=${positions[0]!.split('.')[0]}.${'9'.repeat(20)}`,
      /has not come to the position/,
    ],
    [
      'a date without a time',
      () => 'at=2026-01-01',
      /a position of this log, .* or a date with time and zone/,
    ],
    ['a time without a zone', () => 'at=2026-01-01T00:00:00', /or a date with time and zone/],
    ['a day that does not exist', () => 'at=2026-02-30T00:00:00Z', /or a date with time and zone/],
    ['an empty at', () => 'at=', /query parameter "at" must match/],
    ['a plus that is not encoded', () => 'at=2026-01-01T00:00:00+01:00', /query parameter "at" must match/],
    ['at given twice', () => `at=${positions[0]}&at=${positions[1]}`, /query parameter "at" is given twice/],
  ])('%s', async (_, query, message) => {
    for (const path of ['/api/auth/v1/roles/', '/v1/clients/', '/api/auth/v1/clients/c'])
      expect(await ask(`${path}?${query()}`)).toMatchObject({
        status: 400,
        body: { code: 'InvalidRequestArguments', message: expect.stringMatching(message) },
      });
  });

  test('at where a method reads nothing of the past', async () => {
    expect(await ask(`/api/auth/v1/scopes/current?at=${positions[0]}`)).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('"at" is not known here') },
    });
  });

  test('a continuation token with the moment of another list', async () => {
    const past = (await ask(`${roles}&at=${positions[2]}`)).body['continuationToken'] as string;
    const ofTime = (await ask(`${roles}&at=${times[2]}`)).body['continuationToken'] as string;
    const present = (await ask(roles)).body['continuationToken'] as string;
    for (const [query, message] of [
      [`continuationToken=${past}`, `needs at=${positions[2]}`],
      [`continuationToken=${ofTime}`, `needs at=${times[2]}`],
      [`continuationToken=${past}&at=${positions[3]}`, `goes with at=${positions[2]}`],
      [`continuationToken=${ofTime}&at=${times[3]}`, `goes with at=${times[2]}`],
      [`continuationToken=${present}&at=${positions[3]}`, 'it goes without at'],
    ])
      expect(await ask(`${roles}&${query}`)).toMatchObject({
        status: 400,
        body: { code: 'InvalidRequestArguments', message: expect.stringContaining(message!) },
      });
    for (const query of [
      `continuationToken=${past}&at=${positions[2]}`,
      `continuationToken=${ofTime}&at=${times[2]}`,
      `continuationToken=${ofTime}&at=${positions[2]}`,
    ])
      expect(await ask(`${roles}&${query}`)).toMatchObject({ status: 200, body: { roleIds: ['s'] } });
  });
});

test('a continuation token with a time that is to come is refused', async () => {
  const forge = (at: string) => Buffer.from(`${positions[2]!}\n${at}\nr`).toString('base64url');
  const withTime = (at: string) =>
    ask(`/api/auth/v1/roleids/?limit=1&at=${at}&continuationToken=${forge(at)}`);
  expect(await withTime(times[2]!)).toMatchObject({ status: 200 });
  expect(await withTime('2999-01-01T00:00:00Z')).toMatchObject({
    status: 400,
    body: { message: expect.stringContaining('continuationToken must be one that') },
  });
});

describe('the pages of a moment', () => {
  test.each([
    ['/api/auth/v1/clients/', 'clients'],
    ['/v1/clients/', 'clients'],
    ['/api/auth/v1/roles2/', 'roles'],
    ['/api/auth/v1/roleids/', 'roleIds'],
  ])('of %s are one large page of it, while changes go on', async (path, name) => {
    for (let i = 0; i < 12; i += 1) {
      await auth['createClient']!(`page/${i}${path}`.replaceAll('/', '-'), settings('assume:page'));
      await auth['createRole']!(`page${i}${path}`, { description: '', scopes: ['x'] });
    }
    await sleep(5);
    const time = new Date().toJSON();
    await sleep(5);
    const whole = await ask(withAt(`${path}?limit=1000`, time));
    expect(whole.status).toBe(200);
    const found: unknown[] = [];
    let token: string | undefined;
    let round = 0;
    do {
      const query = token === undefined ? '' : `&continuationToken=${token}`;
      const page = await ask(withAt(`${path}?limit=3${query}`, time));
      expect(page).toMatchObject({ status: 200, position: whole.position, time: whole.time });
      found.push(...(page.body[name] as unknown[]));
      token = page.body['continuationToken'] as string | undefined;
      // Before, at and after where the next page begins.
      await auth['createRole']!(`page${round}x${path}`, { description: '', scopes: [] });
      await auth['deleteRole']!(`page${round}${path}`);
      await auth['createClient']!(`page-${round}x${path}`.replaceAll('/', '-'), settings());
      await auth['deleteClient']!(`page/${round}${path}`.replaceAll('/', '-'));
      round += 1;
    } while (token !== undefined);
    expect(round).toBeGreaterThan(3);
    expect(found).toEqual(whole.body[name]);
  });
});

describe('the past needs scopes', () => {
  const PAST = ['auth:audit-history:client', 'auth:audit-history:role'];
  const OWN_SCOPES: [path: string, scope: string, past: string[], asked: Asked][] = [
    ['/clients/c', 'auth:get-client:c', PAST, {}],
    ['/clients/', 'auth:list-clients', PAST, {}],
    ['/roles/s', 'auth:get-role:s', PAST, {}],
    ['/roles/', 'auth:list-roles', PAST, {}],
    ['/roles2/', 'auth:list-roles', PAST, {}],
    ['/roleids/', 'auth:list-roles', [PAST[1]!], {}],
    ['/scopes/expand', 'auth:expand-scopes', PAST, { method: 'POST', body: { scopes: [] } }],
  ];
  const issued = new Map<string, Credentials>();
  async function holderOf(...scopes: string[]): Promise<Credentials> {
    const clientId = `holder/${issued.size}`;
    const known = issued.get(scopes.join(' '));
    if (known) return known;
    const { accessToken } = await auth['createClient']!(clientId, settings(...scopes));
    issued.set(scopes.join(' '), { clientId, accessToken });
    return { clientId, accessToken };
  }

  test.each(OWN_SCOPES)(
    'of both histories, or of roles, besides those of the read: %s',
    async (path, scope, past, asked) => {
      const at = (prefix: string): string => withAt(prefix + path, positions[3]!);
      const current = at('/api/auth/v1');
      for (const missing of [scope, ...past]) {
        const credentials = await holderOf(...[scope, ...past].filter((each) => each !== missing));
        expect(await ask(current, { ...asked, credentials })).toMatchObject({
          status: 403,
          body: { code: 'InsufficientScopes', details: { missing: [missing] } },
        });
      }
      const credentials = await holderOf(scope, ...past);
      expect((await ask(current, { ...asked, credentials })).status).toBe(200);
      const reader = await holderOf(scope);
      expect((await ask(`/api/auth/v1${path}`, { ...asked, credentials: reader })).status).toBe(200);
      if (['/roles2/', '/roleids/'].includes(path)) return;
      // Reading the present is open in the older dialect, to anybody; reading the past is not.
      expect((await ask(`/v1${path}`, { ...asked, credentials: null })).status).toBe(200);
      expect(await ask(at('/v1'), { ...asked, credentials: null })).toMatchObject({
        status: 403,
        body: { details: { clientId: 'anonymous', missing: past } },
      });
      const auditor = await holderOf(...past);
      expect((await ask(at('/v1'), { ...asked, credentials: auditor })).status).toBe(200);
    },
  );

  test('also where READ_ACCESS opens all reads', async () => {
    const open = await startService({ READ_ACCESS: 'open' });
    try {
      const at = `at=${new Date().toJSON()}`;
      for (const prefix of ['/v1', '/api/auth/v1']) {
        expect((await fetch(`${open.rootUrl}${prefix}/roles/`)).status).toBe(200);
        expect((await fetch(`${open.rootUrl}${prefix}/roles/?${at}`)).status).toBe(403);
      }
    } finally {
      await open.remove();
    }
  });
});

test('the service’s own description names at, and the published reference does not', async () => {
  type Operation = { operationId: string; parameters?: { name: string }[] };
  const openapi = (await (await fetch(`${service.rootUrl}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, Operation>>;
  };
  const operations = Object.values(openapi.paths).flatMap((each) => Object.values(each));
  const withMoment = operations
    .filter(({ parameters = [] }) => parameters.some(({ name }) => name === 'at'))
    .map(({ operationId }) => operationId.replace(/_v1$/, ''));
  expect([...new Set(withMoment)].sort()).toEqual(
    [
      'client',
      'expandScopes',
      'expandScopesGet',
      'history',
      'listClients',
      'listRoleIds',
      'listRoles',
      'listRoles2',
      'role',
    ].sort(),
  );
  const reference = await (await fetch(`${service.rootUrl}/references/auth/v1/api.json`)).text();
  expect(reference).not.toMatch(/"at"/);
});

test('official clients take no query parameter that the published reference lacks: at is for plain HTTP', () => {
  expect(() => auth['listRoleIds']!({ at: positions[0] })).toThrow(/but was given at/);
});

test('a node that has not come to a position yet waits for it, and answers as of it', async () => {
  const shared = sharedStores();
  const first = await shared.startNode();
  const late = await shared.startNode({}, { lag: 150, isLogCut: false, isReadCut: false });
  try {
    const url = (at: string, path: string): string => `${at}/api/auth/v1${path}`;
    const send = async (method: string, to: string, body?: object): Promise<Response> =>
      fetch(to, {
        method,
        headers: { 'content-type': 'application/json', authorization: authorizationFor(to, method, ROOT) },
        body: body && JSON.stringify(body),
      });
    for (let i = 0; i < 4; i += 1) {
      const body = { description: '', scopes: [`x:${i}`] };
      const { headers } = await send(i === 0 ? 'PUT' : 'POST', url(first.rootUrl, '/roles/r'), body);
      const position = headers.get('auth-position')!;
      const reply = await send('GET', url(late.rootUrl, `/roles/r?at=${position}`));
      expect(reply.headers.get('auth-position')).toBe(position);
      expect(await reply.json()).toMatchObject({
        scopes: [`x:${i}`],
        expandedScopes: ['assume:r', `x:${i}`],
      });
    }
  } finally {
    await late.stop();
    await first.stop();
  }
});
