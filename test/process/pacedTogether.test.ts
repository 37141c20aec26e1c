import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import type { LongWork } from '../../src/process/longWork.ts';
import { makePacedTogether } from '../../src/process/pacedTogether.ts';

/** What was charged, and whether the caller is ready. */
function account(untilReady = async (): Promise<void> => undefined) {
  const charged: number[] = [];
  const longWork: Pick<LongWork, 'untilReady' | 'charge'> = {
    untilReady,
    charge: (_, ms) => void charged.push(ms),
  };
  return { charged, longWork };
}

function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

test('steps that block the event loop make way for others in between', async () => {
  const { longWork } = account();
  const paced = makePacedTogether(longWork);
  let turns = 0;
  const counting = setInterval(() => (turns += 1), 0);
  await Promise.all(Array.from({ length: 10 }, () => paced({ caller: 'a' }, async () => block(5))));
  clearInterval(counting);
  expect(turns).toBeGreaterThan(3);
});

test('steps wait for their stores at the same time, and begin in order', async () => {
  const { longWork } = account();
  const paced = makePacedTogether(longWork);
  const began: number[] = [];
  let waiting = 0;
  let most = 0;
  const step = async (i: number): Promise<number> => {
    began.push(i);
    most = Math.max(most, (waiting += 1));
    await sleep(20);
    waiting -= 1;
    return i;
  };
  const all = [0, 1, 2, 3, 4];
  expect(await Promise.all(all.map((i) => paced({ caller: 'a' }, () => step(i))))).toEqual(all);
  expect([began, most]).toEqual([all, all.length]);
});

test('no step begins until its caller is ready, and a step that fails is charged as well', async () => {
  let makeReady = (): void => undefined;
  const ready = new Promise<void>((resolve) => (makeReady = resolve));
  const { longWork, charged } = account(() => ready);
  const paced = makePacedTogether(longWork);
  let hasBegun = false;
  const failing = paced({ caller: 'a' }, async () => {
    hasBegun = true;
    throw new Error('failed');
  });
  await sleep(5);
  expect(hasBegun).toBe(false);
  makeReady();
  await expect(failing).rejects.toThrow('failed');
  expect(charged).toHaveLength(1);
});
