import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { signedFetch } from '../signed.ts';
import { longWorkOf, many, MAX_IN_SLICE } from './longWork.ts';
import { type Attacked, startAttacked } from './secondCaller.ts';

let service: Attacked;
beforeAll(async () => {
  service = await startAttacked({ LOG_LEVEL: 'debug' });
  for (let i = 0; i < 300; i += 1) await put(`p/z${i}`, [`q:${i}`]);
  for (let i = 0; i < 60; i += 1) await put(`n/${'z'.repeat(i)}*`, ['q']);
});
afterAll(() => service.stop());

async function put(roleId: string, scopes: string[]): Promise<number> {
  const url = `${service.rootUrl}/api/auth/v1/roles/${encodeURIComponent(roleId)}`;
  return (await signedFetch(url, service.root, { method: 'PUT', body: { description: '', scopes } })).status;
}

test('roles whose scopes meet very many others are judged within a budget, whatever they make', async () => {
  expect(
    await put(
      'a*',
      many(15_000, (i) => `assume:p/z<..>${i}`),
    ),
  ).toBe(400);
  expect(
    await put(
      'b',
      many(15_000, (i) => `assume:p/q${i}`),
    ),
  ).toBe(400);
  expect(
    await put(
      'c*',
      many(1000, (i) => `assume:p/z${i}<..>`),
    ),
  ).toBe(200);
  expect(
    await put(
      'd',
      many(300, (i) => `assume:n/${'z'.repeat(50)}${i}`),
    ),
  ).toBe(200);
  expect(
    await put(
      'e',
      many(300, (i) => `assume:n/${'z'.repeat(i % 60)}${i}*`),
    ),
  ).toBe(200);
  expect(await put('n/z1', ['assume:e'])).toBe(400);
  const work = longWorkOf(service);
  expect(work.length).toBeGreaterThan(0);
  for (const { longestSlice, units } of work) {
    expect(longestSlice).toBeLessThan(MAX_IN_SLICE);
    expect(units).toBeLessThan(2_100_000);
  }
  expect(Object.keys(service.answers())).toEqual(['auth-success']);
});
