import { expect, test } from '@jest/globals';
import pino from 'pino';
import { SLICE_UNITS, type WorkBudget } from '../../src/domain/workBudget.ts';
import type { TimeSliced } from '../../src/domain/timeSliced.ts';
import { countRequestForSlicing, requestsSoFar } from '../../src/process/timeSlicing.ts';
import { makeLongWork } from '../../src/process/longWork.ts';

const longWork = () => makeLongWork({ log: pino({ level: 'silent' }) });

/** Work of so many full slices, with a call of `note` after each. */
function slices(count: number, note: () => void = () => undefined) {
  return function* (work: WorkBudget): TimeSliced<string> {
    for (let i = 0; i < count; i += 1) {
      if (work.spend(SLICE_UNITS)) yield;
      note();
    }
    return 'done';
  };
}

test('short work is done synchronously, and longer work later', async () => {
  const { run } = longWork();
  expect(run({ caller: 'a' }, slices(0))).toBe('done');
  const promised = run({ caller: 'a' }, slices(3));
  expect(promised).toBeInstanceOf(Promise);
  expect(await promised).toBe('done');
});

test('callers take turns, and the work of one caller is done in order', async () => {
  const { run } = longWork();
  const order: string[] = [];
  await Promise.all([
    ...[1, 2, 3].map((i) =>
      run(
        { caller: 'many' },
        slices(4, () => order.push(`many ${i}`)),
      ),
    ),
    run(
      { caller: 'one' },
      slices(4, () => order.push('one')),
    ),
  ]);
  expect(order.lastIndexOf('one')).toBeLessThan(9);
  const ofMany = order.filter((each) => each !== 'one');
  expect(ofMany).toEqual([...ofMany].sort());
});

test('urgent work overtakes earlier work of the same caller', async () => {
  const { run } = longWork();
  const order: string[] = [];
  await Promise.all([
    run(
      { caller: 'a' },
      slices(9, () => order.push('new')),
    ),
    run(
      { caller: 'a', kind: 'urgent' },
      slices(4, () => order.push('urgent')),
    ),
  ]);
  expect(order.lastIndexOf('urgent')).toBeLessThan(order.lastIndexOf('new'));
});

test('back-pressure: no new work starts for a caller with many unread scopes, but it does for others', async () => {
  const { queue, trackReply: sending } = longWork();
  const taken = sending('a', 2_000_000);
  let isDone = false;
  const waiting = queue({ caller: 'a' }, slices(1)).then(() => (isDone = true));
  await queue({ caller: 'b' }, slices(3));
  await queue({ caller: 'a', kind: 'begun' }, slices(3));
  expect(isDone).toBe(false);
  taken();
  await waiting;
});

test('a caller with too many queued bytes is refused, and others are not', async () => {
  const { queue } = longWork();
  const bytes = 512 * 1024;
  const accepted = Array.from({ length: 32 }, () => queue({ caller: 'a', bytes }, slices(1)));
  await expect(queue({ caller: 'a', bytes }, slices(1))).rejects.toMatchObject({
    code: 'TooManyRequests',
    details: { limit: 16 * 1024 * 1024, retryAfter: 1 },
  });
  await queue({ caller: 'b', bytes }, slices(1));
  await Promise.all(accepted);
  await queue({ caller: 'a', bytes }, slices(1));
});

test('failing work rejects its own promise only, and the next is done', async () => {
  const { queue } = longWork();
  const failing = queue({ caller: 'a' }, function* (work) {
    if (work.spend(SLICE_UNITS)) yield;
    throw new Error('it fails');
  });
  const next = queue({ caller: 'a' }, slices(2));
  await expect(failing).rejects.toThrow('it fails');
  expect(await next).toBe('done');
});

test('work done elsewhere is charged: the next work of that caller waits, and that of others does not', async () => {
  const { charge, untilReady: rested, queue } = longWork();
  const order: string[] = [];
  countRequestForSlicing();
  charge({ caller: 'a' }, 60);
  await Promise.all([
    rested({ caller: 'a' }).then(() => order.push('a')),
    queue({ caller: 'b' }, slices(1)).then(() => order.push('b')),
  ]);
  expect(order).toEqual(['b', 'a']);
});

test('work makes no pause for the request that it is for, but for later ones', async () => {
  const { charge, untilReady: rested, queue } = longWork();
  const order: string[] = [];
  countRequestForSlicing();
  const owner = { caller: 'a', arrived: requestsSoFar() };
  const inOrder = (): Promise<unknown> =>
    Promise.all([
      rested(owner).then(() => order.push('a')),
      queue({ caller: 'b', arrived: requestsSoFar() }, slices(1)).then(() => order.push('b')),
    ]);
  charge(owner, 60);
  await inOrder();
  countRequestForSlicing();
  charge(owner, 5);
  await inOrder();
  expect(order).toEqual(['a', 'b', 'b', 'a']);
});
