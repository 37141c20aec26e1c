import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import pino from 'pino';
import { limitLogLines } from '../../src/process/limitLogLines.ts';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

type Line = { i?: number; leftOut?: number; msg: string };

function limited(maxPerSecond: number, countBy?: string): { write(fields: object): void; lines: Line[] } {
  const lines: Line[] = [];
  const log = pino(
    { base: null, timestamp: false },
    { write: (line) => lines.push(JSON.parse(line) as Line) },
  );
  return { write: limitLogLines(log, { maxPerSecond, message: 'it happened', countBy }), lines };
}

test('up to the limit of lines is written in a second, then how many were left out', () => {
  const { write, lines } = limited(10);
  for (let i = 0; i < 35; i += 1) write({ i });
  expect(lines.map(({ i }) => i)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  jest.advanceTimersByTime(1000);
  expect(lines.slice(10)).toEqual([{ level: 30, leftOut: 25, msg: 'it happened: more in the last second' }]);
});

test('lines that were left out are counted by the values of a field, if there is one to count by', () => {
  const { write, lines } = limited(1, 'from');
  for (const from of ['a', 'b', 'b', 'c', 'b']) write({ from });
  jest.advanceTimersByTime(1000);
  expect(lines.at(-1)).toMatchObject({ leftOut: 4, from: { b: 3, c: 1 } });
  for (let i = 0; i < 1000; i += 1) write({ from: `${i}` });
  jest.advanceTimersByTime(1000);
  expect(lines.at(-1)!.leftOut).toBe(1000);
  expect(Object.keys((lines.at(-1) as unknown as { from: object }).from)).toHaveLength(20);
});

test('the summary counts towards the next second', () => {
  const { write, lines } = limited(10);
  for (let second = 0; second < 4; second += 1) {
    for (let i = 0; i < 100; i += 1) write({ i });
    jest.advanceTimersByTime(1000);
  }
  expect(lines.length).toBe(10 * 4 + 1);
  const leftOut = lines.reduce((sum, line) => sum + (line.leftOut ?? 0), 0);
  expect(leftOut + lines.filter(({ i }) => i !== undefined).length).toBe(400);
});

test('below the limit, all lines are written and nothing else', () => {
  const { write, lines } = limited(2);
  for (let i = 0; i < 9; i += 1) {
    write({ i });
    jest.advanceTimersByTime(500);
  }
  expect(lines.map(({ i }) => i)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});
