import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { rawRequest } from '../rawRequest.ts';
import { end, runCommand, startServer } from '../runCommand.ts';
import { authorizationFor, signedFetch } from '../signed.ts';
import { type Credentials, minutesFromNow } from '../startService.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'authledger-canary-'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

test('a token is found nowhere but in the reply that gave it', async () => {
  const canary = 'Canary-static-token-0123456789';
  const root: Credentials = { clientId: 'static/root', accessToken: canary };
  const STATIC_CLIENTS = JSON.stringify([{ ...root, description: '', scopes: ['*'] }]);
  const ofServices = 'Canary-setting-of-services-0123456789';
  const address = 'https://tunnel.example.com';
  const env = {
    DATA_DIR: dataDir,
    STATIC_CLIENTS,
    LOG_LEVEL: 'trace',
    READ_ACCESS: 'guarded',
    STATSUM: JSON.stringify({ secret: ofServices, baseUrl: address }),
    WEBHOOKTUNNEL: JSON.stringify({ secret: ofServices, proxyUrl: address }),
    WEBSOCKTUNNEL: JSON.stringify({ secret: ofServices }),
  };
  const secrets = [canary, ofServices];
  const seen: string[] = [];

  const { child, rootUrl, output } = await startServer(env);
  const url = (path: string): string => `${rootUrl}/api/auth/v1${path}`;
  const settings = { description: '', expires: minutesFromNow(10), scopes: ['auth:current-scopes'] };
  const made = await signedFetch(url('/clients/canary'), root, { method: 'PUT', body: settings });
  const { accessToken } = made.body as unknown as Credentials;
  secrets.push(accessToken);
  const reset = await signedFetch(url('/clients/canary/reset'), root, { method: 'POST' });
  secrets.push((reset.body as unknown as Credentials).accessToken);
  const itself = { clientId: 'canary', accessToken: secrets.at(-1)! };
  expect((await signedFetch(url('/scopes/current'), itself)).status).toBe(200);

  for (const path of ['/v1/statsum/p/token', '/v1/webhooktunnel', '/api/auth/v1/websocktunnel/a/c']) {
    const given = (await signedFetch(rootUrl + path, root)).body as unknown as { token: string };
    secrets.push(given.token, given.token.split('.')[2]!);
  }

  // The same, and requests that fail, with tokens in every place where somebody could put one.
  const headers = {
    'content-type': 'application/json',
    authorization: authorizationFor(url('/clients/canary2'), 'PUT', root),
  };
  for (const body of [
    { ...settings, accessToken },
    { accessToken },
    { ...settings, expires: 5, token: accessToken, [accessToken]: 1 },
  ]) {
    const reply = await rawRequest(url('/clients/canary2'), {
      method: 'PUT',
      headers,
      body: JSON.stringify(body).replace(`"${accessToken}":1`, '"x":1'),
    });
    expect(reply.status).toBe(400);
    seen.push(reply.text);
  }
  seen.push(
    (
      await rawRequest(url('/clients/canary2'), {
        method: 'PUT',
        headers,
        body: `{"accessToken": "${accessToken}"`,
      })
    ).text,
  );
  for (const authorization of [
    accessToken,
    `Bearer ${accessToken}`,
    `Hawk id="canary", mac="${accessToken}"`,
  ]) {
    const reply = await rawRequest(url('/scopes/current'), { headers: { authorization } });
    expect(reply.status).toBe(401);
    seen.push(reply.text);
    const body = JSON.stringify({ method: 'get', resource: '/', host: 'h', port: 1, authorization });
    seen.push(
      (
        await rawRequest(url('/authenticate-hawk'), {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        })
      ).text,
    );
  }
  seen.push((await rawRequest(url(`/scopes/current?bewit=${accessToken}`))).text);
  seen.push((await rawRequest(url(`/ping?token=${accessToken}`))).text);

  const roles = join(dataDir, 'import.json');
  const imported = 'Canary-imported-token-0123456789';
  const { writeFileSync } = await import('node:fs');
  writeFileSync(roles, JSON.stringify([{ clientId: 'imported', ...settings, accessToken: imported }]));
  const importing = await runCommand(['import', roles], { ...env, LOG_LEVEL: 'trace' });
  expect(importing.code).toBe(0);
  rmSync(roles);
  secrets.push(imported);
  expect(
    (await signedFetch(url('/scopes/current'), { clientId: 'imported', accessToken: imported })).status,
  ).toBe(200);
  for (const args of [
    ['export', 'clients'],
    ['projections', 'rebuild'],
    ['projections', 'status'],
    ['history'],
    ['history', '--json'],
    ['keys', 'rotate'],
    ['config'],
  ]) {
    const { stdout, stderr, code } = await runCommand(args, env);
    expect({ args, code, stderr: code === 0 ? '' : stderr }).toEqual({ args, code: 0, stderr: '' });
    seen.push(stdout, stderr);
  }
  expect((await signedFetch(url('/scopes/current'), itself)).status).toBe(200);
  seen.push(importing.stdout, importing.stderr);
  const files = (): [string, string][] =>
    readdirSync(dataDir).map((name) => [name, readFileSync(join(dataDir, name), 'latin1')]);
  const whileRunning = files();
  await end(child);
  seen.push(output());

  expect(output()).toContain('"method":"createClient"');
  expect(whileRunning.map(([name]) => name)).toEqual(
    expect.arrayContaining(['log.sqlite', 'read.sqlite', 'secrets.sqlite']),
  );
  for (const secret of secrets) {
    for (const text of seen) expect(text).not.toContain(secret);
    for (const [name, content] of [...whileRunning, ...files()])
      expect({ name, found: content.includes(secret) }).toEqual({ name, found: false });
  }
});
