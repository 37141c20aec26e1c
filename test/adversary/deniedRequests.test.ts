import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Attacked, startAttacked } from './secondCaller.ts';

let attacked: Attacked;
beforeEach(async () => {
  attacked = await startAttacked({ TRUST_PROXY: '1' });
});
afterEach(() => attacked.stop());

type Line = { msg: string; denied?: string; leftOut?: number; sourceIp?: unknown };
const lines = (): Line[] =>
  attacked
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Line);

test('a flood of denied requests fills no disk, and is counted by its source', async () => {
  const url = `${attacked.rootUrl}/api/auth/v1/clients/some`;
  for (let round = 0; round < 10; round += 1)
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        const headers = { 'x-forwarded-for': '198.51.100.1, 192.0.2.9' };
        expect((await fetch(url, { method: 'DELETE', headers })).status).toBe(403);
      }),
    );
  const denied = (): Line[] => lines().filter(({ msg }) => msg.startsWith('request without the scopes'));
  const counted = (): number => denied().reduce((sum, { leftOut }) => sum + (leftOut ?? 1), 0);
  while (counted() < 1000) await sleep(50);
  expect(counted()).toBe(1000);
  expect(denied().length).toBeLessThan(300);
  for (const { leftOut, sourceIp } of denied())
    expect(sourceIp).toEqual(leftOut === undefined ? '192.0.2.9' : { '192.0.2.9': leftOut });
  expect(Object.keys(attacked.answers())).toEqual(['auth-success']);
});

test.each([
  ['two hosts', 'GET /v1/ping HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n'],
  ['HTTP/0.9', 'GET /v1/ping\r\n\r\n'],
])('%s are refused, however often', async (_, request) => {
  const { port } = new URL(attacked.rootUrl);
  for (let round = 0; round < 20; round += 1) {
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => text(connect(Number(port), '127.0.0.1').end(request))),
    );
    for (const reply of replies) expect(reply).toMatch(/^HTTP\/1\.1 400 /);
  }
  expect(Object.keys(attacked.answers())).toEqual(['auth-success']);
});
