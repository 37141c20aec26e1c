import { Agent } from 'node:http';
import { afterEach, expect, test } from '@jest/globals';
import { rawRequest } from '../rawRequest.ts';
import { authorizationFor } from '../signed.ts';
import { type Attacked, startAttacked } from './secondCaller.ts';

const MIB = 1024 * 1024;
const REQUESTS = 3000;

let attacked: Attacked;
const agent = new Agent({ keepAlive: true, maxSockets: 8 });
afterEach(async () => {
  agent.destroy();
  await attacked.stop();
});

test('a caller of many addresses and many names keeps nobody from anything, and no more memory than is stated', async () => {
  attacked = await startAttacked({ TRUST_PROXY: 'true', RATE_LIMIT: '20/60s' });
  const url = `${attacked.rootUrl}/api/auth/v1/scopes/current`;
  const ask = (headers: Record<string, string>) => rawRequest(url, { headers, agent });
  const guess = (i: number): Promise<{ status: number }> =>
    ask({
      'x-forwarded-for': `2001:db8:${(i % 60_000).toString(16)}:${(i >> 4).toString(16)}::1`,
      authorization: authorizationFor(url, 'GET', {
        clientId: i % 2 ? attacked.root.clientId : `nobody-${i}-${'x'.repeat(900)}`,
        accessToken: 'guessed',
      }),
    });

  const before = await attacked.residentBytes();
  const statuses = new Set<number>();
  for (let i = 0; i < REQUESTS; i += 100) {
    const replies = await Promise.all(Array.from({ length: 100 }, (_, j) => guess(i + j)));
    for (const { status } of replies) statuses.add(status);
  }
  expect(statuses).toEqual(new Set([401]));
  expect((await attacked.residentBytes()) - before).toBeLessThan(150 * MIB);

  // From one address, however it is written, guessing ends soon; whose name was used is not locked out.
  const fromOne = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      ask({
        'x-forwarded-for': `2001:db8:ffff:ffff:${i.toString(16)}::1`,
        authorization: authorizationFor(url, 'GET', { ...attacked.root, accessToken: 'guessed' }),
      }),
    ),
  );
  expect(fromOne.filter(({ status }) => status === 401)).toHaveLength(20);
  expect(fromOne.filter(({ status }) => status === 429)).toHaveLength(180);
  expect((await ask({ authorization: authorizationFor(url, 'GET', attacked.root) })).status).toBe(200);
  expect(Object.keys(attacked.answers())).toEqual(['auth-success']);
});
