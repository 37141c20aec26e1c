import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import hawk from 'hawk';
import { type CredentialSource, makeAuthenticate } from '../../src/authentication/authenticate.ts';
import { AuthenticationFailure } from '../../src/domain/errors.ts';
import { RoleGraph } from '../../src/domain/roleGraph.ts';
import { runToCompletion } from '../../src/domain/timeSliced.ts';
import { WorkBudget } from '../../src/domain/workBudget.ts';
import { type Given, lend, signed } from '../lentCredentials.ts';

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 100);
const MINUTE = 60_000;

type Client = {
  scopes: string[];
  expires: number;
  token: string;
  disabled: boolean;
  revision: number;
  credentialId?: string;
};

/** Clients and roles that can be changed, as the service would show them to a judge. */
function makeWorld() {
  const stored = new Map<string, Client>();
  const graph = new RoleGraph<{ roleId: string; scopes: string[] }>();
  let revision = 0;
  let found = 0;
  const clients: CredentialSource = {
    async resolveSigner(clientId, now) {
      found += 1;
      const client = stored.get(clientId);
      if (!client) throw new AuthenticationFailure('not found');
      if (client.disabled) throw new AuthenticationFailure('disabled');
      if (new Date(client.expires) < now) throw new AuthenticationFailure('expired');
      const { expires, ...others } = client;
      return { ...others, expires: new Date(expires) };
    },
    cachedClient: (clientId) => stored.get(clientId),
    expandInSlices: (scopes, work) => graph.expandInSlices(scopes, work),
    runSliced: (_, compute) => runToCompletion(compute(new WorkBudget())),
    scopesVersion: () => graph.version,
  };
  return {
    stored,
    graph,
    clients,
    found: () => found,
    set(clientId: string, change: Partial<Client>) {
      const blank = { scopes: [], expires: 0, token: 'none', disabled: false };
      stored.set(clientId, { ...blank, ...stored.get(clientId), ...change, revision: (revision += 1) });
    },
  };
}

describe('whom a signature stands for', () => {
  const start = Date.now();
  const clientId = fc.constantFrom('a', 'b');
  const token = fc.constantFrom('token-1', 'token-1', 'token-1', 'token-2');
  const scopes = fc.uniqueArray(
    fc.constantFrom('x', 'y', 'assume:r', 'assume:s', 'auth:create-client:lent', 'assume:*'),
    { minLength: 1, maxLength: 4 },
  );
  const minutes = fc.integer({ min: -8, max: 20 }).map((count) => start + count * MINUTE);
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('client' as const),
      clientId,
      change: fc.record({ scopes, expires: minutes, token, disabled: fc.boolean() }, { requiredKeys: [] }),
    }),
    fc.record({ kind: fc.constant('gone' as const), clientId }),
    fc.record({
      kind: fc.constant('role' as const),
      roleId: fc.constantFrom('r', 's', 'anonymous'),
      scopes: fc.option(scopes),
    }),
    fc.record({ kind: fc.constant('time' as const), by: fc.integer({ min: 0, max: 6 }) }),
  );
  const permanent = fc.record({ clientId, token }).map((given): Omit<Given, 'now'> => given);
  const lent = fc
    .record({
      issuer: clientId,
      token,
      scopes,
      from: minutes,
      to: minutes,
      name: fc.constantFrom(undefined, 'lent'),
    })
    .map(lend);
  const given = fc
    .tuple(fc.oneof(permanent, lent), fc.option(scopes, { nil: undefined }))
    .map(([one, authorizedScopes]) =>
      authorizedScopes === undefined ? one : { ...one, ext: { ...one.ext, authorizedScopes } },
    );

  test(
    'is never said otherwise for having been asked before, whatever changed since',
    async () => {
      let accepted = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(given, { minLength: 1, maxLength: 4 }),
          fc.array(step, { maxLength: 15 }),
          async (asked, steps) => {
            const world = makeWorld();
            const all = { expires: start + 5 * MINUTE, token: 'token-1' };
            for (const id of ['a', 'b'])
              world.set(id, { ...all, scopes: ['x', 'assume:*', 'auth:create-client:lent'] });
            world.graph.load([{ roleId: 'r', scopes: ['y'] }]);
            const remembers = makeAuthenticate(world.clients);
            let now = start;
            for (const each of [undefined, ...steps]) {
              if (each?.kind === 'client') world.set(each.clientId, each.change);
              if (each?.kind === 'gone') world.stored.delete(each.clientId);
              if (each?.kind === 'role' && each.scopes)
                world.graph.set({ roleId: each.roleId, scopes: each.scopes });
              if (each?.kind === 'role' && !each.scopes) world.graph.delete(each.roleId);
              if (each?.kind === 'time') now += each.by * MINUTE;
              for (const one of asked) {
                const request = signed({ ...one, now });
                const { resolve: _, ...verdict } = {
                  resolve: undefined,
                  ...(await remembers(request, new Date(now))),
                };
                const { resolve: __, ...fresh } = {
                  resolve: undefined,
                  ...(await makeAuthenticate(world.clients)(request, new Date(now))),
                };
                expect(verdict).toEqual(fresh);
                if (verdict.status === 'auth-success') accepted += 1;
              }
            }
          },
        ),
        { numRuns: RUNS },
      );
      expect(accepted).toBeGreaterThan(RUNS / 2);
    },
    30_000 + RUNS * 20,
  );

  test('is remembered once a signature was verified, and not before', async () => {
    const world = makeWorld();
    world.set('a', { scopes: ['x'], expires: start + MINUTE, token: 'right' });
    const authenticate = makeAuthenticate(world.clients);
    const ask = async (key: string, name: string) => {
      const request = signed({
        clientId: 'a',
        token: key,
        now: start,
        ext: { authorizedScopes: ['x'], name },
      });
      return (await authenticate(request, new Date(start))).status;
    };
    for (let i = 0; i < 3; i += 1) expect(await ask('wrong', 'one')).toBe('auth-failed');
    expect(world.found()).toBe(3);
    for (let i = 0; i < 3; i += 1) expect(await ask('right', 'one')).toBe('auth-success');
    expect(world.found()).toBe(4);
    for (let i = 0; i < 3; i += 1) expect(await ask('right', `other ${i}`)).toBe('auth-success');
    expect(world.found()).toBe(7);
  });
});

describe('a later look at a request', () => {
  const now = Date.now();
  const credential = { expires: now + MINUTE, token: 'token-1', credentialId: 'one' };

  async function judged(world: ReturnType<typeof makeWorld>, given: Partial<Given> = {}) {
    const request = signed({ clientId: 'a', token: 'token-1', now, ...given });
    const verdict = await makeAuthenticate(world.clients)(request, new Date(now));
    if (verdict.status !== 'auth-success') throw new Error(verdict.status);
    return () => verdict.resolve(new Date(now));
  }

  test('finds the scopes as they are then, while the credential is the one that signed', async () => {
    const world = makeWorld();
    world.set('a', { ...credential, scopes: ['x'] });
    const lookAgain = await judged(world);
    world.set('a', { scopes: ['y'] });
    expect(await lookAgain()).toEqual(['assume:anonymous', 'y']);
  });

  test.each([
    ['another token', { token: 'token-2', credentialId: 'two' }],
    ['been created again, with the very same token', { credentialId: 'two' }],
  ])('finds nothing once the client has %s, also where that one has signed since', async (_, change) => {
    const world = makeWorld();
    world.set('a', { ...credential, scopes: ['x'] });
    const lookAgain = await judged(world);
    world.stored.delete('a');
    await expect(lookAgain()).rejects.toThrow(/not found/);
    world.set('a', { ...credential, scopes: ['x'], ...change });
    const other = await judged(world, { token: world.stored.get('a')!.token });
    await expect(lookAgain()).rejects.toThrow(/has another accessToken now/);
    expect(await other()).toEqual(['assume:anonymous', 'x']);
  });

  test('finds nothing once the client that lent the credentials has another token', async () => {
    const world = makeWorld();
    world.set('a', { ...credential, scopes: ['x', 'auth:create-client:lent'] });
    for (const name of [undefined, 'lent']) {
      const lent = { issuer: 'a', token: 'token-1', scopes: ['x'], from: now - MINUTE, to: now + MINUTE };
      const lookAgain = await judged(world, lend({ ...lent, name }));
      expect(await lookAgain()).toEqual(['assume:anonymous', 'x']);
      world.set('a', { credentialId: `of ${name}` });
      await expect(lookAgain()).rejects.toThrow(/client a has another accessToken now/);
    }
  });
});

describe('temporary credentials with an issuer', () => {
  const now = Date.now();
  const world = makeWorld();
  world.set('issuer', { scopes: ['*'], expires: now + 20 * MINUTE, token: 'token' });
  world.set('static/root', { scopes: ['*'], expires: now + 20 * MINUTE, token: 'token' });
  const authenticate = makeAuthenticate(world.clients);
  const judged = (issuer: string, name?: string) =>
    authenticate(
      signed({ ...lend({ issuer, token: 'token', scopes: ['x'], from: now, to: now + MINUTE, name }), now }),
      new Date(now),
    );

  test.each(['static/root', 'static/taskcluster/queue', 'static/', 'anonymous'])(
    'are not called %s, which would say that somebody else did what they do',
    async (name) => {
      expect(await judged('issuer', name)).toEqual({
        status: 'auth-failed',
        message: 'temporary credentials with an issuer must not be called static/… or anonymous',
      });
    },
  );

  test.each(['statics', 'anonymous/one', 'task/static/x'])('may be called %s', async (name) => {
    expect(await judged('issuer', name)).toMatchObject({ status: 'auth-success', clientId: name });
  });

  test('are what static clients lend under their own name, without one', async () => {
    expect(await judged('static/root')).toMatchObject({ status: 'auth-success', clientId: 'static/root' });
  });
});

describe('a bewit', () => {
  const world = makeWorld();
  world.set('a', { scopes: ['x'], expires: Date.now() + 20 * MINUTE, token: 'token' });

  function judged(ttlSec: number, maxBewitLifetime?: number) {
    const credentials = { id: 'a', key: 'token', algorithm: 'sha256' as const };
    const bewit = hawk.uri.getBewit('http://example.com/', { credentials, ttlSec });
    const request = { method: 'get', resource: `/?bewit=${bewit}`, host: 'example.com', port: 80 };
    return makeAuthenticate({ ...world.clients, maxBewitLifetime })(request, new Date());
  }

  test('may last for as long as it likes', async () => {
    expect(await judged(10 * 365 * 24 * 3600)).toMatchObject({ status: 'auth-success' });
  });

  test('lasts no longer than MAX_BEWIT_LIFETIME says, where it is set', async () => {
    expect(await judged(3590, 3600_000)).toMatchObject({ status: 'auth-success' });
    expect(await judged(3700, 3600_000)).toEqual({
      status: 'auth-failed',
      message: 'a bewit may last for 3600 s at most (MAX_BEWIT_LIFETIME): this one lasts longer',
    });
  });
});
