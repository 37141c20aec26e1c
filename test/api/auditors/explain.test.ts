import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signedFetch } from '../../signed.ts';
import {
  type Credentials,
  minutesFromNow,
  type OfficialClient,
  startService,
  type TestService,
} from '../../startService.ts';

let service: TestService;
let auth: OfficialClient;
let auditor: Credentials;
/** The position after each step of the story. */
const after: Record<string, string> = {};

async function credentials(clientId: string, scopes: string[]): Promise<Credentials> {
  const settings = { description: '', expires: minutesFromNow(60), scopes };
  const { accessToken } = await auth['createClient']!(clientId, settings);
  return { clientId, accessToken };
}

async function ask(body: object, who: Credentials = service.root) {
  const url = `${service.rootUrl}/api/authledger/v1/explain`;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  return (await signedFetch(url, who, { method: 'POST', body })) as { status: number; body: any };
}

async function explained(subject: object, expression: unknown, more: object = {}) {
  const { status, body } = await ask({ subject, expression, ...more });
  expect([status, body.message]).toEqual([200, undefined]);
  return body;
}

beforeAll(async () => {
  service = await startService();
  auth = service.current();
  const role = { description: '' };
  await auth['createRole']!('project:*', { ...role, scopes: ['queue:create-task:<..>/*'] });
  await auth['createRole']!('team', { ...role, scopes: ['assume:project:fx', 'secrets:get:a'] });
  await credentials('ann', ['assume:team', 'index:*']);
  after['the grants'] = (await explained({ clientId: 'ann' }, 'x')).position;
  await auth['updateRole']!('team', { ...role, scopes: ['secrets:get:a'] });
  after['the removal'] = (await explained({ clientId: 'ann' }, 'x')).position;
  await auth['updateRole']!('team', { ...role, scopes: ['secrets:get:a', 'assume:project:fx'] });
  await auth['createRole']!('one', { ...role, scopes: ['deep'] });
  await auth['createRole']!('all:*', { ...role, scopes: ['deep:<..>', 'assume:one'] });
  await auth['createRole']!('anonymous', { ...role, scopes: ['public:read'] });
  auditor = await credentials('auditor', ['authledger:explain:client/an*', 'authledger:explain:role/team']);
});
afterAll(() => service.remove());

describe('explain', () => {
  test('names each step of the shortest path, with the event that added its grant, and a line for people', async () => {
    const body = await explained({ clientId: 'ann' }, 'queue:create-task:fx/low');
    expect(body).toMatchObject({ satisfied: true, missing: [], blockedBy: [], everyoneHas: [] });
    const [scope] = body.scopes;
    expect(scope).toMatchObject({ satisfied: true, pathCount: 1, complete: true });
    const [{ steps, text }] = scope.paths;
    const source = { actor: service.root.clientId, requestId: expect.any(String), at: expect.any(String) };
    expect(steps).toEqual([
      {
        via: 'client',
        id: 'ann',
        grant: 'assume:team',
        scope: 'assume:team',
        source: { ...source, position: after['the grants'] },
      },
      {
        via: 'role',
        id: 'team',
        matched: 'assume:team',
        match: 'exact',
        grant: 'assume:project:fx',
        scope: 'assume:project:fx',
        source: { ...source, position: expect.any(String) },
      },
      {
        via: 'role',
        id: 'project:*',
        matched: 'assume:project:fx',
        match: 'role-star',
        parameter: 'fx',
        grant: 'queue:create-task:<..>/*',
        scope: 'queue:create-task:fx/*',
        source: { ...source, position: expect.any(String) },
      },
    ]);
    // It was taken away, and given again.
    expect(steps[1].source.position > after['the removal']!).toBe(true);
    expect(steps[2].source.position < after['the grants']!).toBe(true);
    const since = (i: number): string => `since ${steps[i].source.at} by static/root`;
    expect(text).toEqual([
      `client ann has assume:team, ${since(0)}`,
      `→ grants the role team, which has assume:project:fx, ${since(1)}`,
      `→ grants the role project:*, by the star of its id, which has queue:create-task:<..>/* with fx: queue:create-task:fx/*, ${since(2)}`,
    ]);
  });

  test('says of past moments how they were', async () => {
    const subject = { clientId: 'ann' };
    const scope = 'queue:create-task:fx/low';
    const then = await explained(subject, scope, { at: after['the grants'] });
    expect(then).toMatchObject({ satisfied: true, position: after['the grants'] });
    expect(then.scopes[0].paths[0].steps[1].source.position < after['the grants']!).toBe(true);
    const between = await explained(subject, scope, { at: after['the removal'] });
    expect(between).toMatchObject({ satisfied: false, missing: [scope], position: after['the removal'] });
    expect(between.grantable.roles).toEqual([
      { roleId: 'project:*', scope: 'assume:project:*', via: ['project:*'], gives: [scope] },
    ]);
  });

  test('explains roles, and given scopes', async () => {
    const role = await explained({ roleId: 'team' }, 'secrets:get:a');
    expect(role.scopes[0].paths[0].steps).toMatchObject([
      { via: 'scopes', grant: 'assume:team' },
      { via: 'role', id: 'team', grant: 'secrets:get:a', source: { actor: 'static/root' } },
    ]);
    const given = await explained({ scopes: ['secrets:*', 'assume:team'] }, 'secrets:get:a');
    expect(given.scopes[0].paths.map(({ steps }: { steps: unknown[] }) => steps.length)).toEqual([1, 2]);
    expect(given.scopes[0].paths[0].text).toEqual(['whoever has these scopes has secrets:*']);
    expect(
      (await explained({ scopes: ['secrets:*', 'assume:team'] }, 'secrets:get:a', { limit: 1 })).scopes[0],
    ).toMatchObject({ pathCount: 2, complete: true, paths: [{}] });
  });

  test('of a refusal says what is missing, what comes nearest, which roles have it, and which change is enough', async () => {
    const expression = { AnyOf: [{ AllOf: ['deep', 'index:x'] }, { AllOf: ['p', 'q', 'r'] }] };
    const body = await explained({ clientId: 'ann' }, expression);
    expect(body).toMatchObject({ satisfied: false, missing: ['deep'], blockedBy: [] });
    expect(body.scopes.map(({ satisfied }: { satisfied: boolean }) => satisfied)).toEqual([
      false,
      true,
      false,
      false,
      false,
    ]);
    expect(body.grantable).toEqual({
      roles: [
        { roleId: 'one', scope: 'assume:one', via: ['one'], gives: ['deep'] },
        { roleId: 'all:*', scope: 'assume:all:*', via: ['all:*', 'one'], gives: ['deep'] },
      ],
      changes: [
        { to: { clientId: 'ann' }, add: ['deep'] },
        { to: { roleId: 'team' }, add: ['deep'] },
        { to: { roleId: 'project:*' }, add: ['deep'] },
      ],
      complete: true,
    });
    const near = await explained({ clientId: 'ann' }, 'secrets:get:b');
    expect(near.scopes[0]).toMatchObject({ paths: [], pathCount: 0, nearest: ['secrets:get:a'] });
  });

  test('says that a scope which ends in a star is asked as a pattern', async () => {
    const { scopes } = await explained({ clientId: 'ann' }, { AllOf: ['index:*', 'secrets:get:*'] });
    expect(scopes).toMatchObject([{ satisfied: true }, { satisfied: false, nearest: ['secrets:get:a'] }]);
    expect(scopes[1].note).toBe(
      'it ends in *, so it is asked as a pattern: every scope that begins with secrets:get: is needed',
    );
  });

  test('names what each request has through the role anonymous, which is no scope of a client', async () => {
    expect(await explained({ clientId: 'ann' }, 'public:read')).toMatchObject({
      satisfied: false,
      missing: ['public:read'],
      everyoneHas: ['public:read'],
    });
  });

  test('of a client that is disabled or expired still shows the paths, and is no', async () => {
    const { accessToken: _ } = await auth['createClient']!('gone', {
      description: '',
      expires: new Date(Date.now() + 300).toJSON(),
      scopes: ['x'],
    });
    await auth['disableClient']!('gone');
    await new Promise((resolve) => setTimeout(resolve, 400));
    const body = await explained({ clientId: 'gone' }, 'x');
    expect(body).toMatchObject({
      satisfied: false,
      missing: [],
      scopes: [{ satisfied: true, pathCount: 1 }],
    });
    expect(body.blockedBy).toEqual([{ by: 'disabled' }, { by: 'expired', expires: expect.any(String) }]);
    // Of a past moment, what had expired by then.
    const created = body.scopes[0].paths[0].steps[0].source.position;
    expect(await explained({ clientId: 'gone' }, 'x', { at: created })).toMatchObject({
      satisfied: true,
      blockedBy: [],
    });
  });

  test('applies the limits that a request carries: authorizedScopes, and a certificate with its time', async () => {
    const subject = { clientId: 'ann' };
    const expression = { AllOf: ['secrets:get:a', 'index:x'] };
    const within = { authorizedScopes: ['index:*', 'secrets:get:a'] };
    expect(await explained(subject, expression, within)).toMatchObject({ satisfied: true, blockedBy: [] });
    const beyond = { authorizedScopes: ['index:x', 'never:held'] };
    expect(await explained(subject, expression, beyond)).toMatchObject({
      satisfied: false,
      scopes: [{ satisfied: true }, { satisfied: true }],
      blockedBy: [{ by: 'authorizedScopes', lacks: ['secrets:get:a'], notHeld: ['never:held'] }],
    });
    const expiry = '2020-01-01T00:00:00Z';
    const certificate = { scopes: ['assume:team', 'index:x'], start: '2019-12-31T00:00:00Z', expiry };
    expect((await explained(subject, expression, { certificate })).blockedBy).toEqual([
      { by: 'certificate', lacks: [], notHeld: [], start: certificate.start, expiry },
    ]);
    const days = (count: number): string => minutesFromNow(count * 24 * 60);
    for (const [start, expiry, problem] of [
      [days(-1), days(29), undefined],
      [days(-1), days(31), { tooLong: true }],
      [days(-9), days(-8), {}],
    ] as const) {
      const timed = { certificate: { scopes: ['index:x'], start, expiry } };
      const block = { by: 'certificate', lacks: [], notHeld: [], start, expiry, ...problem };
      expect((await explained(subject, 'index:x', timed)).blockedBy).toEqual(problem ? [block] : []);
    }
    const narrow = { certificate: { scopes: ['assume:team'] }, authorizedScopes: ['index:x'] };
    expect((await explained(subject, expression, narrow)).blockedBy).toEqual([
      { by: 'certificate', lacks: ['index:x'], notHeld: [] },
      { by: 'authorizedScopes', lacks: ['secrets:get:a'], notHeld: ['index:x'] },
    ]);
    expect(
      await ask({ subject, expression, certificate: { scopes: [], start: '2020-02-30T00:00:00Z' } }),
    ).toMatchObject({
      status: 400,
      body: { code: 'InputValidationError', message: expect.stringContaining('a date that exists') },
    });
  });

  test('does not know what does not exist, or did not at that moment', async () => {
    expect(await ask({ subject: { clientId: 'nobody' }, expression: 'x' })).toMatchObject({
      status: 404,
      body: { code: 'ResourceNotFound', message: expect.stringContaining('client nobody does not exist') },
    });
    const at = after['the grants']!;
    expect(await ask({ subject: { roleId: 'one' }, expression: 'x', at })).toMatchObject({
      status: 404,
      body: { code: 'ResourceNotFound', message: expect.stringContaining(`did not exist at ${at}`) },
    });
    expect(await ask({ subject: { clientId: 'nobody' }, expression: 'x', at })).toMatchObject({
      status: 404,
    });
  });

  test('asks for a scope of its own for each client and role, and more for given scopes and for the past', async () => {
    const missing = async (body: object) =>
      (await ask({ expression: 'x', ...body }, auditor)).body.details?.missing;
    expect(await missing({ subject: { clientId: 'ann' } })).toBeUndefined();
    expect(await missing({ subject: { roleId: 'team' } })).toBeUndefined();
    expect(await missing({ subject: { roleId: 'one' } })).toEqual(['authledger:explain:role/one']);
    expect(await missing({ subject: { clientId: 'bob' } })).toEqual(['authledger:explain:client/bob']);
    expect(await missing({ subject: { scopes: ['assume:one'] } })).toEqual(['auth:expand-scopes']);
    const { body } = await ask({ expression: 'x', subject: { roleId: 'one' } }, auditor);
    expect(body.details.required).toEqual({ AllOf: ['authledger:explain:role/one'] });
    expect(await missing({ subject: { clientId: 'ann' }, at: after['the grants'] })).toEqual([
      'auth:audit-history:client',
      'auth:audit-history:role',
    ]);
  });

  test('of given scopes names who added grants only to those who may read the history of roles', async () => {
    const question = { subject: { scopes: ['assume:team'] }, expression: 'secrets:get:a' };
    const step = async (who: Credentials) => (await ask(question, who)).body.scopes[0].paths[0].steps[1];
    const asker = await credentials('asker', ['auth:expand-scopes']);
    const reader = await credentials('reader', ['auth:expand-scopes', 'auth:audit-history:role']);
    expect(await step(asker)).toEqual({
      via: 'role',
      id: 'team',
      matched: 'assume:team',
      match: 'exact',
      grant: 'secrets:get:a',
      scope: 'secrets:get:a',
    });
    expect(await step(reader)).toMatchObject({ source: { actor: 'static/root' } });
    const ofRole = { subject: { roleId: 'team' }, expression: 'secrets:get:a' };
    expect((await ask(ofRole, auditor)).body.scopes[0].paths[0].steps[1]).toMatchObject({
      source: { actor: 'static/root' },
    });
  });

  test('names roles that would give what is missing only to those who may ask who has it', async () => {
    const question = { subject: { clientId: 'ann' }, expression: 'deep' };
    const finder = await credentials('finder', ['authledger:explain:*', 'authledger:who-can']);
    const help = async (who: Credentials) => (await ask(question, who)).body.grantable;
    const { changes } = await help(service.root);
    expect(await help(auditor)).toEqual({ roles: [], changes, complete: false });
    expect(await help(finder)).toMatchObject({
      roles: [{ roleId: 'one' }, { roleId: 'all:*' }],
      complete: true,
    });
  });

  test('refuses expressions that are too large, saying what is allowed', async () => {
    const subject = { clientId: 'ann' };
    const refusal = async (expression: unknown, more: object = {}) => {
      const { status, body } = await ask({ subject, expression, ...more });
      return `${status} ${body.message.split('\n')[0]}`;
    };
    expect(await refusal({ AllOf: Array.from({ length: 101 }, (_, i) => `${i}`) })).toBe(
      '400 an expression has at most 100 scopes: this one has 101',
    );
    const nested = (depth: number): unknown => (depth === 0 ? 'x' : { AnyOf: [nested(depth - 1)] });
    expect(await refusal(nested(11))).toBe('400 an expression must not be nested deeper than 10 levels');
    expect((await ask({ subject, expression: nested(10) })).status).toBe(200);
    expect(await refusal('x'.repeat(2001))).toBe('400 a scope in an expression has at most 2000 characters');
    for (const bad of [{ AllOf: 'x' }, { AllOf: [] }, {}, 5, 'ä'])
      expect((await ask({ subject, expression: bad })).body.code).toBe('InputValidationError');
    for (const subjects of [{}, { clientId: 'a', roleId: 'b' }])
      expect((await ask({ subject: subjects, expression: 'x' })).body.code).toBe('InputValidationError');
    const [long, longest] = ['x'.repeat(2001), 'x'.repeat(2000)];
    for (const lists of [
      { subject: { scopes: [long] } },
      { authorizedScopes: [long] },
      { certificate: { scopes: [long] } },
    ])
      expect((await ask({ subject, expression: 'x', ...lists })).body).toMatchObject({
        code: 'InputValidationError',
        message: expect.stringContaining('2000 characters'),
      });
    expect((await ask({ subject: { scopes: [longest] }, expression: 'x' })).status).toBe(200);
    for (const id of [{ clientId: 'c'.repeat(1001) }, { roleId: 'r'.repeat(1001) }])
      expect((await ask({ subject: id, expression: 'x' })).body.code).toBe('InputValidationError');
    for (const limit of [0, 101])
      expect((await ask({ subject, expression: 'x', limit })).body.code).toBe('InputValidationError');
  });
});
