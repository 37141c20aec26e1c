import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { authorizationFor } from '../signed.ts';
import { type Attacked, startAttacked } from './secondCaller.ts';

let attacked: Attacked;
afterEach(() => attacked.stop());

test.each(['1', '2'])(
  'a flood of positions that are to come keeps nobody waiting, with %s workers',
  async (WORKERS) => {
    attacked = await startAttacked({ WORKERS });
    const change = `${attacked.rootUrl}/api/auth/v1/roles/some`;
    const { headers } = await fetch(change, {
      method: 'PUT',
      headers: {
        authorization: authorizationFor(change, 'PUT', attacked.root),
        'content-type': 'application/json',
      },
      body: JSON.stringify({ description: '', scopes: [] }),
    });
    const [logId] = headers.get('auth-position')!.split('.');
    const statuses: Record<number, number> = {};
    for (let round = 0; round < 8; round += 1) {
      const far = `${logId}.${'9'.repeat(18)}${String(round).padStart(2, '0')}`;
      const asked = Array.from({ length: 200 }, async () => {
        const { status } = await fetch(`${attacked.rootUrl}/v1/roles/`, {
          headers: { 'auth-at-least': far },
        });
        statuses[status] = (statuses[status] ?? 0) + 1;
      });
      await Promise.all(asked);
    }
    expect(statuses).toEqual({ 400: 1600 });
    await sleep(100);
    expect(Object.keys(attacked.answers())).toEqual(['auth-success']);
  },
);
