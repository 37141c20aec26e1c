import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { signedFetch } from '../signed.ts';
import { longWorkOf, many, MAX_IN_SLICE, unsigned } from './longWork.ts';
import { type Attacked, startAttacked } from './secondCaller.ts';

const MB = 1024 * 1024;

let service: Attacked;
beforeAll(async () => {
  service = await startAttacked({ LOG_LEVEL: 'debug', MAX_EXPANSION_SCOPES: '30000' });
  const body = { description: '', scopes: many(25, (i) => `queue:${i}:<..>`) };
  await signedFetch(`${service.rootUrl}/api/auth/v1/roles/project-admin%3A*`, service.root, {
    method: 'PUT',
    body,
  });
});
afterAll(() => service.stop());

const granting = (count: number, end = ''): string[] => many(count, (i) => `assume:project-admin:${i}${end}`);

test('512 KiB of scopes that nobody signed are refused within the budget, again and again, and others are answered', async () => {
  const before = await service.residentBytes();
  const expand = `${service.rootUrl}/v1/scopes/expand`;
  const refused = await Promise.all(
    many(2, String).map((end) => unsigned(expand, { scopes: granting(17_000, end) })),
  );
  for (const { status, text } of refused) {
    expect(status).toBe(400);
    expect(text).toMatch('MAX_EXPANSION_SCOPES');
  }
  const answered = await unsigned(expand, { scopes: granting(1000) });
  expect(answered.status).toBe(200);
  expect((JSON.parse(answered.text) as { scopes: string[] }).scopes).toHaveLength(26 * 1000);
  const work = longWorkOf(service);
  expect(Math.max(...work.map(({ slices }) => slices))).toBeGreaterThan(20);
  for (const { longestSlice } of work) expect(longestSlice).toBeLessThan(MAX_IN_SLICE);
  expect(Object.keys(service.answers())).toEqual(['auth-success']);
  expect((await service.residentBytes()) - before).toBeLessThan(250 * MB);
});

test('the same lists in every other method that takes scopes', async () => {
  const api = `${service.rootUrl}/api/auth/v1`;
  const scopes = granting(15_000);
  const expires = new Date(Date.now() + 3_600_000).toJSON();
  const client = { description: '', expires, deleteOnExpiration: true, scopes };
  const put = await signedFetch(`${api}/clients/much`, service.root, { method: 'PUT', body: client });
  expect(put.status).toBe(200);
  const role = { description: '', scopes };
  const refused = await signedFetch(`${api}/roles/much`, service.root, { method: 'PUT', body: role });
  expect(refused.status).toBe(400);
  const test = { clientScopes: granting(8000), requiredScopes: many(8000, (i) => `lacking:${i}`) };
  expect((await unsigned(`${api}/test-authenticate`, test)).status).toBe(403);
  for (const { longestSlice } of longWorkOf(service)) expect(longestSlice).toBeLessThan(MAX_IN_SLICE);
  expect(Object.keys(service.answers())).toEqual(['auth-success']);
});

test('a body of very many values is refused before it is parsed', async () => {
  const { status, text } = await unsigned(`${service.rootUrl}/v1/scopes/expand`, {
    scopes: many(80_000, (i) => i.toString(36)),
  });
  expect(status).toBe(400);
  expect(text).toMatch('30000 values');
  expect(Object.keys(service.answers())).toEqual(['auth-success']);
});
