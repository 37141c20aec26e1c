import { expect, test } from '@jest/globals';
import { coalesce } from '../../src/readSide/coalesce.ts';

test('those who ask at the same time share a question, and who asks while it is under way the next', async () => {
  const asked: ((answer: number) => void)[] = [];
  const ask = coalesce(() => new Promise<number>((resolve) => asked.push(resolve)));
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const first = [ask(), ask(), ask()];
  while (asked.length === 0) await turn();
  const second = [ask(), ask()];
  for (let i = 0; i < 5; i += 1) await turn();
  expect(asked).toHaveLength(1);
  asked[0]!(1);
  while (asked.length === 1) await turn();
  asked[1]!(2);
  expect([await Promise.all(first), await Promise.all(second)]).toEqual([
    [1, 1, 1],
    [2, 2],
  ]);
  expect(asked).toHaveLength(2);
});

test('a call that fails is made again for the next caller', async () => {
  let tries = 0;
  const ask = coalesce(async () => {
    tries += 1;
    if (tries === 1) throw new Error('away');
    return tries;
  });
  const [one, other] = [ask(), ask()];
  await expect(one).rejects.toThrow('away');
  await expect(other).rejects.toThrow('away');
  expect(await ask()).toBe(2);
});
