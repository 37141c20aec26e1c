import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { disableClient } from '../../commands/disableClient.ts';
import { systemContext } from '../../src/writeSide/systemContext.ts';
import { watchPurgeGap } from '../../src/jobs/purgeGap.ts';
import { clientSubject } from '../../src/writeSide/subjects.ts';
import pino from 'pino';
import { minutesFromNow, startService, type TestService } from '../startService.ts';

const DAY = 24 * 60 * 60_000;
const log = pino({ level: 'silent' });
let service: TestService;
beforeEach(async () => {
  service = await startService();
});
afterEach(() => service.remove());

const inDays = (days: number): Date => new Date(Date.now() + days * DAY);
const gap = () =>
  watchPurgeGap({ ...service.service.core, readStore: service.service.stores.readStore, log }, 30 * DAY);

async function createClient(clientId: string, days: number): Promise<void> {
  const settings = { description: '', expires: inDays(days), scopes: [], deleteOnExpiration: true };
  await service.current()['createClient']!(clientId, settings);
}
/** Makes a change while the clock is `days` days ahead. */
async function changeAt(days: number): Promise<void> {
  await service.service.core.handleCommand({
    command: disableClient,
    subject: clientSubject('kept', service.service.core),
    input: { clientId: 'kept' },
    context: systemContext('cli', inDays(days)),
  });
}

describe('automatic purging', () => {
  test('goes on while the clock is not too far ahead of the newest change', async () => {
    await createClient('short', 1);
    expect(await gap().pausedSince(inDays(29))).toBeUndefined();
  });

  test('pauses once it is, on all nodes and after newer changes by the same clock, until an operator confirms the clock', async () => {
    await createClient('short', 1);
    await createClient('kept', 1000);
    const now = inDays(31);
    expect(await gap().pausedSince(now)).toBe(now.toJSON());
    await changeAt(31);
    for (const days of [31, 32, 0]) expect(await gap().pausedSince(inDays(days))).toBe(now.toJSON());
    await gap().confirmClock(inDays(32));
    for (const days of [32, 50]) expect(await gap().pausedSince(inDays(days))).toBeUndefined();
    const later = inDays(63);
    expect(await gap().pausedSince(later)).toBe(later.toJSON());
  });

  test('is also paused by the clock of a running process, if a change came before the check', async () => {
    await createClient('short', 1);
    await createClient('kept', 1000);
    const watching = gap();
    expect(await watching.pausedSince(inDays(0))).toBeUndefined();
    await changeAt(400);
    expect(await gap().pausedSince(inDays(400))).toBeUndefined();
    expect(await watching.pausedSince(inDays(400))).toBeDefined();
  });

  test('does not pause if there is nothing to purge', async () => {
    await createClient('kept', 1000);
    expect(await gap().pausedSince(inDays(31))).toBeUndefined();
  });

  test('resumes when the clock is confirmed after it was set back', async () => {
    await createClient('short', 1);
    await gap().pausedSince(inDays(400));
    await gap().confirmClock(inDays(0));
    expect(await gap().pausedSince(inDays(2))).toBeUndefined();
    expect(await gap().pausedSince(inDays(400))).toBeDefined();
  });
});

test('a start holds purging before it changes anything itself, and warns once', async () => {
  await service.current()['createClient']!('short', {
    description: '',
    expires: minutesFromNow(-1),
    scopes: [],
    deleteOnExpiration: true,
  });
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const other = JSON.stringify([{ ...service.root, description: 'changed', scopes: ['*'] }]);
  service = await service.restart({ PURGE_MAX_GAP: '1s', STATIC_CLIENTS: other });
  const warned = (): number => service.logged().match(/authledger purge-expired/g)?.length ?? 0;
  while (warned() === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect((await service.current()['client']!('short')).clientId).toBe('short');
  expect(warned()).toBe(1);
});
