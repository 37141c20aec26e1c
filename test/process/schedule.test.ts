import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pino from 'pino';
import { schedule } from '../../src/process/schedule.ts';
import { purgeExpired } from '../../src/jobs/purgeExpired.ts';
import { minutesFromNow, startService, type TestService } from '../startService.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.remove());

test('a long-running job does not keep a service from stopping', async () => {
  let hasBegun = false;
  const endless = {
    name: 'endless',
    every: 1000,
    run: (signal: AbortSignal) =>
      new Promise<number>((resolve) => {
        hasBegun = true;
        signal.addEventListener('abort', () => resolve(1));
      }),
  };
  const stop = schedule([endless], { isLeader: () => true, log: pino({ level: 'silent' }) });
  expect(hasBegun).toBe(true);
  await stop();
});

test('an aborted purge leaves the rest to the next one', async () => {
  const settings = { description: '', expires: minutesFromNow(1), scopes: [], deleteOnExpiration: true };
  for (const clientId of ['one', 'two']) await service.current()['createClient']!(clientId, settings);
  const now = new Date(Date.now() + 61_000);
  expect(await purgeExpired(service.service.core, { now, signal: AbortSignal.abort() })).toBe(0);
  expect(await purgeExpired(service.service.core, { now })).toBe(2);
});
