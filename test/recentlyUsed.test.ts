import { expect, test } from '@jest/globals';
import { RecentlyUsed } from '../src/recentlyUsed.ts';

test('what was used longest ago is forgotten first', () => {
  const recent = new RecentlyUsed<number>(2);
  recent.set('a', 1);
  recent.set('b', 2);
  expect(recent.get('a')).toBe(1);
  recent.set('c', 3);
  expect([recent.get('a'), recent.get('b'), recent.get('c')]).toEqual([1, undefined, 3]);
  recent.set('a', 4);
  recent.delete('c');
  expect([recent.get('a'), recent.get('c')]).toEqual([4, undefined]);
});
