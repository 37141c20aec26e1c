import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { sessionPolicy } from '../../src/services/awsS3.ts';
import { startLossyProxy } from '../lossyProxy.ts';
import { pageExample } from '../pageExample.ts';
import { federationToken, startStsDouble } from '../services/stsDouble.ts';
import {
  type Credentials,
  minutesFromNow,
  type OfficialClient,
  startService,
  type TestService,
} from '../startService.ts';
import { type PythonClient, type PythonOptions, runPython, startPythonClient } from './pythonClient.ts';
import { whereServersRun } from './whereServersRun.ts';

const clients = [
  ['taskcluster.Auth 113.2 at /api/auth/v1', 'current', 'sync'],
  ['taskcluster.aio.Auth 113.2 at /api/auth/v1', 'current', 'async'],
  ['taskcluster.Auth 4.0 at /v1', 'older', 'sync'],
  ['taskcluster.aio.Auth 4.0 at /v1', 'older', 'async'],
] as const;
/** A call of a method. */
type Call = [method: string, ...args: unknown[]];
const kinds = ['permanent', 'temporary', 'named temporary', 'limited'] as const;

const scopes = ['auth:*', 'held:*'];
const withAnonymous = ['assume:anonymous', ...scopes];
const secret = 'secret-of-the-tokens-0123456789-abcdefgh';
/** Hawk's hash of an empty body, which the clients sign. */
const HASH_OF_NOTHING = 'B0weSUXsMcb5UhL41FZbrUJCAotzSI3HawE1NPLRUz8=';
const tester = { clientId: 'tester', accessToken: 'no-secret' };
const anyDate = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const anyToken = expect.stringMatching(/^[A-Za-z0-9_-]{44}$/);
const notThere = { name: 'TaskclusterRestFailure', statusCode: 404, code: 'ResourceNotFound' };
const notAllowed = { name: 'TaskclusterRestFailure', statusCode: 403, code: 'InsufficientScopes' };
const notAuthenticated = { name: 'TaskclusterAuthFailure', statusCode: 401, code: 'AuthenticationFailed' };

whereServersRun(['python-clients'], 'the official Python client', () => {
  let service: TestService;
  let sts: Awaited<ReturnType<typeof startStsDouble>>;
  beforeAll(async () => {
    sts = await startStsDouble(() => federationToken('given', new Date('2040-01-01T00:00:00Z')));
    const key = { accessKeyId: 'AKIA', secretAccessKey: secret, buckets: ['bucket'], endpoint: sts.endpoint };
    service = await startService({
      AWS_S3: JSON.stringify([key]),
      STATSUM: JSON.stringify({ secret, baseUrl: 'https://statsum.example.com' }),
      WEBHOOKTUNNEL: JSON.stringify({ secret, proxyUrl: 'https://tunnel.example.com' }),
      WEBSOCKTUNNEL: JSON.stringify({ secret }),
    });
  });
  afterAll(async () => {
    await service?.remove();
    sts?.close();
  });

  describe.each(clients)('%s', (_, dialect, mode) => {
    const isOlder = dialect === 'older';
    /** Tests of what only this client has. */
    const inCurrent = isOlder ? () => undefined : test;
    const inOlder = isOlder ? test : () => undefined;
    const own = `python-${dialect}-${mode}`;
    const called = new Set<string>();
    let python: PythonClient;
    let admin: Credentials & { expires: string };
    beforeAll(async () => {
      python = await startPythonClient(dialect, mode);
      const settings = { description: '', expires: minutesFromNow(60), scopes };
      const clientId = `${own}/admin`;
      const { accessToken, expires } = await service.current()['createClient']!(clientId, settings);
      admin = { clientId, accessToken, expires };
    });
    afterAll(() => python?.stop());

    const here = (options: PythonOptions, rootUrl = service.rootUrl): PythonOptions => ({
      ...(isOlder ? { baseUrl: `${rootUrl}/v1` } : { rootUrl }),
      maxRetries: 0,
      ...options,
    });
    /** The client, of which is noted what is called. */
    function connect(options: PythonOptions = {}): OfficialClient {
      const auth = python.auth(here(options));
      return new Proxy(auth, { get: (_, method: string) => (called.add(method), auth[method]) });
    }

    async function optionsOf(kind: (typeof kinds)[number]): Promise<PythonOptions> {
      if (kind === 'permanent') return { credentials: admin };
      if (kind === 'temporary') return { credentials: await python.temporary(admin, scopes) };
      if (kind === 'named temporary')
        return { credentials: await python.temporary(admin, scopes, `${own}/named`) };
      return { credentials: service.root, authorizedScopes: scopes };
    }

    describe.each(kinds)('with %s credentials', (kind) => {
      const prefix = `${own}/${kind.replace(' ', '-')}/`;
      let options: PythonOptions;
      let auth: OfficialClient;
      /** Who the service takes the caller for. */
      let caller: string;
      beforeAll(async () => {
        options = await optionsOf(kind);
        auth = connect(options);
        caller = options.credentials!.clientId;
      });

      // As Python writes dates.
      const expires = '2030-01-02T03:04:05.678901Z';
      const settings = {
        description: 'é 漢 😀',
        expires,
        deleteOnExpiration: true,
        scopes: ['held:a', 'auth:current-scopes'],
      };
      const client = {
        ...settings,
        expires: '2030-01-02T03:04:05.678Z',
        expandedScopes: ['auth:current-scopes', 'held:a'],
        disabled: false,
        created: anyDate,
        lastModified: anyDate,
        lastDateUsed: anyDate,
        lastRotated: anyDate,
      };
      const clientsIn = (reply: { clients: object[] } & object[]): object[] =>
        isOlder ? reply : reply.clients;

      test('the caller has these scopes, and no others', async () => {
        expect(await auth['currentScopes']!()).toEqual({ scopes: withAnonymous });
        const more = { ...settings, scopes: ['other'] };
        await expect(auth['createClient']!(`${prefix}more`, more)).rejects.toMatchObject(notAllowed);
      });

      test('a client is created, read, listed, changed, disabled, enabled, given a new token and deleted', async () => {
        const clientId = `${prefix}a@b.c|d`;
        const { accessToken, ...created } = await auth['createClient']!(clientId, settings);
        expect(accessToken).toEqual(anyToken);
        expect(created).toEqual({ ...client, clientId });
        expect(await auth['client']!(clientId)).toEqual(created);
        expect(clientsIn(await auth['listClients']!())).toContainEqual(created);
        expect(clientsIn(await auth['listClients']!({ prefix: clientId }))).toEqual([created]);

        const change = { ...settings, description: 'changed', scopes: ['auth:current-scopes', 'held:b'] };
        const updated = { ...created, ...change, expires: client.expires, expandedScopes: change.scopes };
        const changed = { ...updated, lastModified: anyDate, lastDateUsed: anyDate, lastRotated: anyDate };
        expect(await auth['updateClient']!(clientId, change)).toEqual(changed);
        const scopesWith = (token: string): Promise<unknown> =>
          connect({ credentials: { clientId, accessToken: token } })['currentScopes']!();
        const granted = { scopes: ['assume:anonymous', ...change.scopes] };
        expect(await scopesWith(accessToken)).toEqual(granted);
        expect(await auth['disableClient']!(clientId)).toEqual({ ...changed, disabled: true });
        await expect(scopesWith(accessToken)).rejects.toMatchObject(notAuthenticated);
        expect(await auth['enableClient']!(clientId)).toEqual(changed);
        const reset = await auth['resetAccessToken']!(clientId);
        expect(reset).toEqual({ ...changed, accessToken: anyToken });
        await expect(scopesWith(accessToken)).rejects.toMatchObject(notAuthenticated);
        expect(await scopesWith(reset.accessToken)).toEqual(granted);

        await auth['deleteClient']!(clientId);
        await expect(auth['client']!(clientId)).rejects.toMatchObject(notThere);
      });

      test('a role is created, read, listed, changed, expanded and deleted', async () => {
        const roleId = `${prefix}a b/%2F?#~*`;
        const role = { description: '# of *all*', scopes: ['held:<..>:x', 'held:a'] };
        const created = await auth['createRole']!(roleId, { ...role, scopes: ['held:a', 'held:<..>:x'] });
        const dates = { created: anyDate, lastModified: anyDate };
        expect(created).toEqual({
          roleId,
          ...role,
          ...dates,
          expandedScopes: [`assume:${roleId}`, 'held:*'],
        });
        expect(await auth['createRole']!(roleId, role)).toEqual(created);
        expect(await auth['role']!(roleId)).toEqual(created);
        expect(await auth['listRoles']!()).toContainEqual(created);
        const granting = `assume:${roleId.slice(0, -1)}y`;
        const granted = { scopes: [granting, 'held:a', 'held:y:x'] };
        expect(await auth['expandScopes']!({ scopes: [granting] })).toEqual(granted);
        if (isOlder) expect(await auth['expandScopesGet']!({ scopes: [granting] })).toEqual(granted);

        const change = { description: 'changed', scopes: ['held:c', 'held:b'] };
        const updated = { ...created, ...change, expandedScopes: [`assume:${roleId}`, 'held:b', 'held:c'] };
        expect(await auth['updateRole']!(roleId, change)).toEqual({ ...updated, lastModified: anyDate });
        await auth['deleteRole']!(roleId);
        await expect(auth['role']!(roleId)).rejects.toMatchObject(notThere);
      });

      const pageIds = ['1', '2', '3'].map((n) => `${prefix}page/${n}`);

      test('clients are listed a page at a time', async () => {
        for (const id of pageIds) await auth['createClient']!(id, settings);
        const query = { prefix: `${prefix}page/`, limit: 2 };
        const first = await auth['listClients']!(query);
        const second = await auth['listClients']!({ ...query, continuationToken: first.continuationToken });
        expect(idsOf('clientId', first.clients, second.clients)).toEqual(pageIds);
        expect(second.continuationToken).toBeUndefined();
      });

      inCurrent('roles and their ids are listed, whole and a page at a time', async () => {
        for (const id of pageIds) await auth['createRole']!(id, { description: '', scopes: [] });
        const { roles } = await auth['listRoles2']!();
        expect(roles).toEqual(await auth['listRoles']!());
        const page = await auth['listRoles2']!({ limit: 2 });
        const rest = await auth['listRoles2']!({ limit: 1000, continuationToken: page.continuationToken });
        expect([...page.roles, ...rest.roles]).toEqual(roles);
        const { roleIds } = await auth['listRoleIds']!();
        expect(roleIds).toEqual(idsOf('roleId', roles));
        expect(await auth['listRoleIds']!({ limit: 1 })).toEqual({
          roleIds: roleIds.slice(0, 1),
          continuationToken: expect.any(String),
        });
      });

      inCurrent('histories tell what was done, to whom and by whom', async () => {
        const clientId = `${prefix}told`;
        await auth['createClient']!(clientId, settings);
        await auth['disableClient']!(clientId);
        const entry = { clientId: caller, entityType: 'client', entityId: clientId, created: anyDate };
        const told = [
          { ...entry, actionType: 'created' },
          { ...entry, actionType: 'client disabled' },
        ];
        expect(await auth['getEntityHistory']!('client', clientId)).toEqual({ auditHistory: told });
        const { auditHistory } = await auth['listAuditHistory']!(caller, { limit: 1000 });
        expect(auditHistory.slice(-2)).toEqual(told);
        const page = await auth['getEntityHistory']!('client', clientId, { limit: 1 });
        expect(page).toEqual({ auditHistory: told.slice(0, 1), continuationToken: expect.any(String) });
      });

      test('other services take its requests for what they are', async () => {
        const request = { method: 'get', resource: '/a/b?c=d', host: 'queue.example.com', port: 443 };
        const url = `https://${request.host}${request.resource}`;
        const asked = { ...request, authorization: await python.header(here(options), url, 'GET') };
        const verdict = {
          status: 'auth-success',
          scheme: 'hawk',
          clientId: caller,
          scopes: withAnonymous,
          expires: kind === 'permanent' ? admin.expires : anyDate,
        };
        const anybody = connect();
        expect(await anybody['authenticateHawk']!(asked)).toEqual({ ...verdict, hash: HASH_OF_NOTHING });
        const failed = { status: 'auth-failed', message: expect.any(String) };
        expect(await anybody['authenticateHawk']!({ ...asked, method: 'post' })).toEqual(failed);
      });

      test('signed URLs answer what the method does', async () => {
        const clientId = `${prefix}signed`;
        await auth['createClient']!(clientId, settings);
        await auth['createRole']!(clientId, { description: '', scopes: [] });
        const ofBoth: Call[] = [
          ['client', clientId],
          ['currentScopes'],
          ['listClients'],
          ['listClients', { prefix }],
          ['listRoles'],
          ['role', clientId],
        ];
        const ofCurrent: Call[] = [
          ['getEntityHistory', 'client', clientId],
          ['listAuditHistory', caller, { limit: 3 }],
          ['listRoleIds', { limit: 3 }],
          ['listRoles2', { limit: 3 }],
        ];
        for (const [method, ...args] of isOlder ? ofBoth : [...ofBoth, ...ofCurrent]) {
          const url = await python.signedUrl(here(options), method, ...args);
          const body: unknown = await (await fetch(url)).json();
          expect({ method, body }).toEqual({ method, body: await auth[method]!(...args) });
        }
        const url = new URL(await python.signedUrl(here(options), 'currentScopes'));
        const request = { method: 'get', host: url.hostname, port: Number(url.port) };
        const asked = { ...request, resource: url.pathname + url.search };
        expect(await connect()['authenticateHawk']!(asked)).toMatchObject({
          status: 'auth-success',
          scheme: 'hawk',
          clientId: caller,
          scopes: withAnonymous,
        });
      });

      inCurrent('the token of a tunnel is for the caller', async () => {
        const { token, ...others } = await auth['websocktunnelToken']!('audience', 'a~b');
        expect(others).toEqual({ wstAudience: 'audience', wstClient: 'a~b', expires: anyDate });
        expect(jwt.verify(token, secret)).toMatchObject({ tid: 'a~b', sub: caller, aud: 'audience' });
      });

      inOlder('the tokens of a tunnel and of statsum are for the caller', async () => {
        const { token, tunnelId, ...others } = await auth['webhooktunnelToken']!();
        expect(others).toEqual({ proxyUrl: 'https://tunnel.example.com' });
        expect(jwt.verify(token, secret)).toMatchObject({ tid: tunnelId, sub: caller, aud: 'webhooktunnel' });
        const { token: statsum, ...project } = await auth['statsumToken']!('some-project');
        expect(project).toEqual({
          project: 'some-project',
          baseUrl: 'https://statsum.example.com',
          expires: anyDate,
        });
        expect(jwt.verify(statsum, secret)).toMatchObject({ project: 'some-project' });
      });

      test.each(['', 'a/b c/'])('keys of AWS are for the prefix %j', async (keys) => {
        const level = 'read-only';
        const reply = await auth['awsS3Credentials']!(level, 'bucket', keys);
        expect(reply).toEqual({
          credentials: {
            accessKeyId: 'ASIAGIVEN',
            secretAccessKey: 'given',
            sessionToken: 'session/given+==',
          },
          expires: '2040-01-01T00:00:00.000Z',
        });
        const policy = sessionPolicy({ level, bucket: 'bucket', prefix: keys });
        expect(sts.asked.at(-1)!.policy).toEqual(JSON.parse(policy));
      });

      test('what is not configured is not found, with what to set', async () => {
        const ofOlder: [variable: string, call: Call][] = [
          ['AZURE_ACCOUNTS', ['azureTables', 'account']],
          ['AZURE_ACCOUNTS', ['azureContainers', 'account']],
          ['AZURE_ACCOUNTS', ['azureTableSAS', 'account', 'table', 'read-only']],
          ['AZURE_ACCOUNTS', ['azureContainerSAS', 'account', 'container', 'read-only']],
          ['SENTRY', ['sentryDSN', 'some-project']],
        ];
        const token = { repositories: ['a'], permissions: { contents: 'read' } };
        const ofCurrent: [variable: string, call: Call][] = [
          ['GCP', ['gcpCredentials', 'project', 'worker@project.iam.gserviceaccount.com']],
          ['GITHUB_APPS', ['githubRepoToken', 'app', 'owner', token]],
          ['SENTRY', ['sentryDSN', 'some-project']],
        ];
        for (const [variable, [method, ...args]] of isOlder ? ofOlder : ofCurrent)
          await expect(auth[method]!(...args)).rejects.toMatchObject({
            ...notThere,
            message: expect.stringContaining(`an administrator must set ${variable} to`),
          });
        if (isOlder) expect(await auth['azureAccounts']!()).toEqual({ accounts: [] });
      });
    });

    test('a caller without credentials has the scopes of anonymous', async () => {
      const anybody = connect();
      expect(await anybody['ping']!()).toEqual({ alive: true, uptime: expect.any(Number) });
      const request = { method: 'get', resource: '/', host: 'queue.example.com', port: 80 };
      expect(await anybody['authenticateHawk']!(request)).toMatchObject(
        isOlder
          ? { status: 'auth-failed' }
          : { status: 'no-auth', scheme: 'none', scopes: ['assume:anonymous'] },
      );
      if (isOlder) expect(await anybody['listRoles']!()).toBeInstanceOf(Array);
      else await expect(anybody['listRoles']!()).rejects.toMatchObject(notAllowed);
    });

    inCurrent('the methods of monitoring answer', async () => {
      const anybody = connect();
      expect(await anybody['version']!()).toMatchObject({ version: expect.any(String) });
      expect(await anybody['heartbeat']!()).toEqual({});
      expect(await anybody['lbheartbeat']!()).toEqual({});
    });

    test('the methods for testing judge the tester, with permanent, temporary, named and limited credentials', async () => {
      const limited = { credentials: tester, authorizedScopes: ['test:authenticate-get'] };
      const named = { credentials: await python.temporary(tester, ['test:a*'], 'test:someone') };
      const all = ['test:*', 'auth:create-client:test:*'];
      for (const [options, clientId, given] of [
        [{ credentials: tester }, 'tester', all],
        [{ credentials: await python.temporary(tester, ['test:a*']) }, 'tester', ['test:a*']],
        [named, 'test:someone', ['test:a*']],
        [limited, 'tester', ['test:authenticate-get']],
      ] as [PythonOptions, string, string[]][]) {
        const verdict = { clientId, scopes: ['assume:anonymous', ...given] };
        expect(await connect(options)['testAuthenticateGet']!()).toEqual(verdict);
        const url = await python.signedUrl(here(options), 'testAuthenticateGet');
        expect(await (await fetch(url)).json()).toEqual(verdict);
        const asked = { clientScopes: all, requiredScopes: ['test:authenticate-get'] };
        expect(await connect(options)['testAuthenticate']!(asked)).toEqual(verdict);
      }
      const others = connect({ credentials: tester, authorizedScopes: ['test:other'] });
      await expect(others['testAuthenticateGet']!()).rejects.toMatchObject(notAllowed);
      const wrong = connect({ credentials: { ...tester, accessToken: 'wrong' } });
      await expect(wrong['testAuthenticateGet']!()).rejects.toMatchObject(notAuthenticated);
    });

    test('temporary credentials for more than their issuer has are refused', async () => {
      const credentials = await python.temporary(admin, ['other']);
      await expect(connect({ credentials })['currentScopes']!()).rejects.toMatchObject(notAuthenticated);
      const mayName = { description: '', expires: admin.expires, scopes: ['held:*'] };
      const { accessToken } = await service.current()['createClient']!(`${own}/unnamed`, mayName);
      const issuer = { clientId: `${own}/unnamed`, accessToken };
      const named = await python.temporary(issuer, ['held:*'], `${own}/other`);
      await expect(connect({ credentials: named })['currentScopes']!()).rejects.toMatchObject(
        notAuthenticated,
      );
    });

    test('a signed URL that was changed is refused', async () => {
      const url = await python.signedUrl(here({ credentials: admin }), 'client', admin.clientId);
      expect((await fetch(url)).status).toBe(200);
      expect((await fetch(url.replace('admin', 'other'))).status).toBe(401);
    });

    test('many authorizedScopes make long headers and signed URLs, which are taken', async () => {
      const many = Array.from({ length: 200 }, (_, i) => `held:scope-number-${i + 1000}`);
      const authorizedScopes = ['auth:current-scopes', ...many];
      const options = { credentials: admin, authorizedScopes };
      const given = { scopes: ['assume:anonymous', ...authorizedScopes] };
      expect(await connect(options)['currentScopes']!()).toEqual(given);
      const url = await python.signedUrl(here(options), 'currentScopes');
      expect(url.length).toBeGreaterThan(8000);
      expect(await (await fetch(url)).json()).toEqual(given);
    });

    test('a service at an IPv6 address is called', async () => {
      const there = await startService({ HOST: '::1' });
      const options = here({ credentials: there.root }, `http://[::1]:${there.port}`);
      expect(await python.auth(options)['currentScopes']!()).toEqual({ scopes: ['*'] });
      const url = await python.signedUrl(options, 'currentScopes');
      expect(await (await fetch(url)).json()).toEqual({ scopes: ['*'] });
      await there.remove();
    });

    test('createClient gives the token of the client that it made, though the first two replies are lost', async () => {
      const proxy = await startLossyProxy(service.port);
      proxy.dropNext();
      proxy.dropNext();
      const clientId = `${own}/lost`;
      const settings = { description: '', expires: minutesFromNow(60), scopes: ['auth:current-scopes'] };
      const { maxRetries: _, ...options } = here({ credentials: admin }, proxy.rootUrl);
      const { accessToken } = await python.auth(options)['createClient']!(clientId, settings);
      proxy.stop();
      expect(proxy.dropped()).toBe(2);
      const made = connect({ credentials: { clientId, accessToken } });
      expect(await made['currentScopes']!()).toEqual({
        scopes: ['assume:anonymous', 'auth:current-scopes'],
      });
    });

    test('no method of the client is left out', async () => {
      expect([...called].sort()).toEqual(await python.methods());
    });
  });

  test('the first example of the README makes a role and a client', async () => {
    const { clientId, accessToken } = service.root;
    const { stdout, stderr, code } = await runPython(
      ['-c', pageExample('README.md', 'python', 'import taskcluster')],
      {
        TASKCLUSTER_ROOT_URL: service.rootUrl,
        TASKCLUSTER_CLIENT_ID: clientId,
        TASKCLUSTER_ACCESS_TOKEN: accessToken,
      },
    );
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    const [, token, expandedScopes] = /^(\S{44}) (.*)$/s.exec(stdout)!;
    expect(expandedScopes).toBe("['assume:team:readers', 'queue:get-artifact:public/*']\n");
    const asIt = service.older({ clientId: 'ci/macos', accessToken: token! });
    const given = ['assume:anonymous', 'assume:team:readers', 'queue:get-artifact:public/*'];
    expect(await asIt['currentScopes']!()).toEqual({ scopes: given });
  });
});

function idsOf(name: string, ...lists: Record<string, string>[][]): string[] {
  return lists.flat().map((each) => each[name]!);
}
