import { expect, test } from '@jest/globals';
import { RecentlyUsed } from '../../src/domain/recentlyUsed.ts';

test('what is used stays, and what was not used for long is forgotten', () => {
  const recent = new RecentlyUsed<number>(4);
  recent.set('used', 0);
  recent.set('once', 1);
  for (let i = 0; i < 20; i += 1) {
    recent.set(`other ${i}`, i);
    expect(recent.get('used')).toBe(0);
  }
  expect(recent.get('once')).toBeUndefined();
  expect(recent.get('other 19')).toBe(19);
});

test('what is deleted or set anew is never found as it was', () => {
  const recent = new RecentlyUsed<number>(4);
  recent.set('a', 1);
  recent.set('b', 1);
  recent.set('c', 1);
  recent.set('a', 2);
  expect(recent.get('a')).toBe(2);
  recent.get('b');
  recent.delete('b');
  expect(recent.get('b')).toBeUndefined();
  recent.clear();
  expect([recent.get('a'), recent.get('c')]).toEqual([undefined, undefined]);
});

test('never holds more than it may, by the size of what it holds', () => {
  const recent = new RecentlyUsed<string>(20, (key, value) => key.length + value.length);
  for (let i = 0; i < 10; i += 1) recent.set(String(i), 'xxxx');
  const kept = Array.from({ length: 10 }, (_, i) => recent.get(String(i))).filter(Boolean);
  expect(kept.length).toBeLessThanOrEqual(4);
  expect(recent.get('9')).toBe('xxxx');
});

test('what is set again and again takes its room once', () => {
  const recent = new RecentlyUsed<string>(20, (key, value) => key.length + value.length);
  recent.set('other', 'x');
  for (let i = 0; i < 100; i += 1) recent.set('a', 'x'.repeat(i % 4));
  expect(recent.get('other')).toBe('x');
});
