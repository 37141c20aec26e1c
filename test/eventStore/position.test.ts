import { expect, test } from '@jest/globals';
import { positionBefore, positionOf, positionOfOffsets } from '../../src/eventStore/position.ts';

const LOG = '0123456789ab';

test('the position before another one is the greatest that is less, of either kind of log', () => {
  expect(positionBefore(positionOf(LOG, 1000))).toBe(positionOf(LOG, 999));
  expect(positionBefore(positionOf(LOG, 0))).toBe(positionOf(LOG, 0));
  const before = positionBefore(positionOfOffsets(LOG, { commit: 7n, prepare: 7n }));
  expect(before).toBe(positionOfOffsets(LOG, { commit: 7n, prepare: 6n }));
});
