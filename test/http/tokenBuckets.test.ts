import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { makeTokenBuckets } from '../../src/http/tokenBuckets.ts';

const ROOMY = { maxBytes: 1_000_000 };

describe('a token bucket', () => {
  test('lets a quota through at once, and then one whenever a token has come back', () => {
    let now = 0;
    const take = makeTokenBuckets({ quota: 10, seconds: 20 }, { ...ROOMY, now: () => now });
    for (let i = 0; i < 10; i += 1) expect(take('a')).toBe(0);
    expect(take('a')).toBe(2);
    now = 1900;
    expect(take('a')).toBe(1);
    now = 2001;
    expect(take('a')).toBe(0);
    expect(take('a')).toBe(2);
  });

  test('is full again after its time, and no fuller', () => {
    let now = 0;
    const take = makeTokenBuckets({ quota: 3, seconds: 6 }, { ...ROOMY, now: () => now });
    for (let i = 0; i < 3; i += 1) take('a');
    now = 3_600_000;
    expect(Array.from({ length: 4 }, () => take('a'))).toEqual([0, 0, 0, 2]);
  });

  test("is nobody else's", () => {
    const take = makeTokenBuckets({ quota: 1, seconds: 60 }, { ...ROOMY, now: () => 0 });
    expect([take('a'), take('a'), take('b')]).toEqual([0, 60, 0]);
  });

  test('never lets through more than its quota and what came back since, and always what it said it would', () => {
    const policy = fc.record({
      quota: fc.integer({ min: 1, max: 50 }),
      seconds: fc.integer({ min: 1, max: 120 }),
    });
    const pauses = fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 200 });
    fc.assert(
      fc.property(policy, pauses, ({ quota, seconds }, waits) => {
        let now = 0;
        let passed = 0;
        const take = makeTokenBuckets({ quota, seconds }, { ...ROOMY, now: () => now });
        for (const wait of waits) {
          now += wait;
          const retryAfter = take('a');
          if (retryAfter === 0) passed += 1;
          expect(passed).toBeLessThanOrEqual(quota + (now / 1000) * (quota / seconds) + 1e-6);
          if (retryAfter === 0) continue;
          now += retryAfter * 1000;
          expect(take('a')).toBe(0);
          passed += 1;
        }
      }),
    );
  });
});

test('buckets of the longest keys take no more memory than they may', () => {
  const maxBytes = 5_000_000;
  const take = makeTokenBuckets({ quota: 10, seconds: 60 }, { maxBytes });
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => (collect(), process.memoryUsage().heapUsed);
  const before = used();
  // Cut from a longer text, as an id is from a header: what is kept must not keep all of that.
  for (let i = 0; i < 40_000; i += 1) {
    const header = `${String(i).padStart(8, '0')}${'x'.repeat(992)}${'y'.repeat(3000)}`;
    take(`client ${header.slice(0, 1000)}`);
  }
  expect(used() - before).toBeLessThan(1.5 * maxBytes);
  expect(take('another')).toBe(0);
});
