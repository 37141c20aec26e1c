import { expect, test } from '@jest/globals';
import { boundedMutex } from '../../src/process/boundedMutex.ts';

/** A job that ends when it is told to, and calls `note` then. */
function openJob(note: () => void = () => undefined) {
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve)).then(note);
  return { end, job: () => ended };
}

test('a caller’s jobs run one after the other, those of different callers at the same time', async () => {
  const run = boundedMutex({ max: 10, about: 'the past' });
  const order: string[] = [];
  const first = openJob(() => order.push('a1'));
  const jobs = [
    run('a', first.job),
    run('a', async () => order.push('a2')),
    run('b', async () => order.push('b')),
  ];
  await jobs[2];
  expect(order).toEqual(['b']);
  first.end();
  await Promise.all(jobs);
  expect(order).toEqual(['b', 'a1', 'a2']);
});

test('one job too many of a caller is refused, and says why, until another has ended', async () => {
  const run = boundedMutex({ max: 2, about: 'the past' });
  const held = openJob();
  const running = [run('a', held.job), run('a', async () => 'waited')];
  await expect(run('a', async () => 'refused')).rejects.toMatchObject({
    code: 'TooManyRequests',
    message: 'at most 2 requests of one caller about the past may wait at the same time',
  });
  expect(await run('b', async () => 'another caller')).toBe('another caller');
  held.end();
  expect((await Promise.all(running))[1]).toBe('waited');
  expect(await run('a', async () => 'again')).toBe('again');
});

test('a job that fails makes way for the next one', async () => {
  const run = boundedMutex({ max: 1, about: 'the past' });
  await expect(run('a', () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  expect(await run('a', async () => 'next')).toBe('next');
});
