import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { authorizationFor, signedFetch } from '../signed.ts';
import { end, startServer } from '../runCommand.ts';
import { ROOT, STATIC_CLIENTS } from '../startService.ts';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { longWorkOf, many, MAX_IN_SLICE, unsigned } from './longWork.ts';
import { type Attacked, startAttacked } from './secondCaller.ts';

const MB = 1024 * 1024;

async function put(rootUrl: string, roleId: string, scopes: string[], method = 'PUT') {
  const url = `${rootUrl}/api/auth/v1/roles/${encodeURIComponent(roleId)}`;
  return signedFetch(url, ROOT, { method, body: { description: '', scopes } });
}

describe('roles that make very many scopes of one parameter', () => {
  let service: Attacked;
  beforeAll(async () => {
    service = await startAttacked({ LOG_LEVEL: 'debug', MAX_EXPANSION_SCOPES: '30000' });
  });
  afterAll(() => service.stop());

  test('are refused, whether the many grants come first or the many scopes', async () => {
    const grants = (kind: string, count: number) => many(count, (i) => `assume:${kind}/b<..>${i}`);
    const scopes = (count: number) => many(count, (i) => `x/${i}<..>`);
    expect((await put(service.rootUrl, 'p/b*', scopes(16_500))).status).toBe(400);
    expect((await put(service.rootUrl, 'p/b*', scopes(999))).status).toBe(200);
    for (const count of [900, 999, 16_500])
      expect((await put(service.rootUrl, 'p/a*', grants('p', count))).status).toBe(400);
    expect((await put(service.rootUrl, 'q/a*', grants('q', 900))).status).toBe(200);
    expect((await put(service.rootUrl, 'q/b*', scopes(999))).status).toBe(400);
    expect((await put(service.rootUrl, 'q/b*', ['x/<..>'])).status).toBe(200);
    expect(Object.keys(service.answers())).toEqual(['auth-success']);
  });

  test('and 900 grants of one scope each, for 18,000 scopes at once, are more than an expansion may produce', async () => {
    const before = await service.residentBytes();
    const { status, text } = await unsigned(`${service.rootUrl}/v1/scopes/expand`, {
      scopes: many(18_000, (i) => `assume:q/a${i}`),
    });
    expect(status).toBe(400);
    expect(text).toMatch('MAX_EXPANSION_SCOPES');
    for (const { longestSlice } of longWorkOf(service)) expect(longestSlice).toBeLessThan(MAX_IN_SLICE);
    expect(Object.keys(service.answers())).toEqual(['auth-success']);
    expect((await service.residentBytes()) - before).toBeLessThan(250 * MB);
  });
});

test('a log that holds such roles already starts and serves; they are told apart, and can have less', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'authledger-bomb-'));
  const raised = { DATA_DIR: dataDir, STATIC_CLIENTS, MAX_ROLE_SCOPES: '9000000' };
  const former = await startServer(raised);
  const grants = many(30, (i) => `assume:b/${i}`);
  expect(
    (
      await put(
        former.rootUrl,
        'b/*',
        many(3000, (i) => `x/${i}<..>`),
      )
    ).status,
  ).toBe(200);
  expect((await put(former.rootUrl, 'holder', grants)).status).toBe(200);
  await end(former.child);

  const service = await startAttacked({
    DATA_DIR: dataDir,
    LOG_LEVEL: 'debug',
    MAX_EXPANSION_SCOPES: '30000',
    MAX_ROLE_SCOPES: '50000',
  });
  try {
    const api = `${service.rootUrl}/api/auth/v1`;
    expect(
      (await unsigned(`${api.replace('/api/auth/v1', '/v1')}/scopes/expand`, { scopes: ['assume:holder'] }))
        .status,
    ).toBe(400);
    const list = await fetch(`${service.rootUrl}/v1/roles`);
    expect(list.headers.get('auth-incomplete')).toBe('holder');
    const roles = (await list.json()) as { roleId: string; scopes: string[]; expandedScopes: string[] }[];
    expect(roles.find(({ roleId }) => roleId === 'holder')!.expandedScopes).toEqual([...grants].sort());

    const expires = new Date(Date.now() + 3_600_000).toJSON();
    const body = { description: '', expires, deleteOnExpiration: true, scopes: ['assume:holder'] };
    const made = await signedFetch(`${api}/clients/held`, ROOT, { method: 'PUT', body });
    const held = { clientId: 'held', accessToken: String(made.body['accessToken']) };
    expect((await signedFetch(`${api}/roles/holder`, held)).status).toBe(403);
    const url = 'https://service.example/';
    const judged = await unsigned(`${api}/authenticate-hawk`, {
      method: 'get',
      resource: '/',
      host: 'service.example',
      port: 443,
      authorization: authorizationFor(url, 'GET', held),
    });
    expect(JSON.parse(judged.text)).toMatchObject({
      status: 'auth-failed',
      message: expect.stringContaining('MAX_EXPANSION_SCOPES'),
    });

    expect((await put(service.rootUrl, 'holder', [...grants, 'assume:b/more'], 'POST')).status).toBe(400);
    expect((await put(service.rootUrl, 'holder', grants.slice(0, 20), 'POST')).status).toBe(200);
    expect((await signedFetch(`${api}/roles/b%2F*`, ROOT, { method: 'DELETE' })).status).toBe(204);
    expect((await signedFetch(`${api}/roles/holder`, held)).status).toBe(403);
    expect(
      (await unsigned(`${service.rootUrl}/v1/scopes/expand`, { scopes: ['assume:holder'] })).status,
    ).toBe(200);
    for (const { longestSlice } of longWorkOf(service)) expect(longestSlice).toBeLessThan(MAX_IN_SLICE);
    expect(Object.keys(service.answers())).toEqual(['auth-success']);
  } finally {
    await service.stop();
  }
});
