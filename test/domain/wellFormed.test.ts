import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isWellFormed, toWellFormed } from '../../src/domain/wellFormed.ts';

/** Any code units, most of them surrogates. */
const anyText = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0, max: 0xffff }),
      fc.integer({ min: 0xd7fe, max: 0xe001 }),
      fc.constantFrom(0, 0x61),
    ),
  )
  .map((units) => String.fromCharCode(...units));

describe('a text that other languages cannot read', () => {
  test.each([
    ['half of a pair at its end', 'cut \ud83d', 'cut \ufffd'],
    ['the other half', '\ude00 cut', '\ufffd cut'],
    ['both halves in the wrong order', '\ude00\ud83d', '\ufffd\ufffd'],
    ['NUL', 'a\0b', 'a\ufffdb'],
  ])('has %s', (_, text, readable) => {
    expect(isWellFormed(text)).toBe(false);
    expect(toWellFormed(text)).toBe(readable);
  });

  test('is not one with whole pairs, other control characters, or U+FFFD', () => {
    for (const text of ['', 'é😀', '\u0001\n\u007f', '\ufffd', '\ufeffx']) {
      expect(isWellFormed(text)).toBe(true);
      expect(toWellFormed(text)).toBe(text);
    }
  });

  test('is changed character for character, and no other is', () =>
    fc.assert(
      fc.property(anyText, (text) => {
        const readable = toWellFormed(text);
        expect(isWellFormed(readable)).toBe(true);
        expect(readable === text).toBe(isWellFormed(text));
        expect(isWellFormed(text)).toBe(!/[\0\p{Surrogate}]/u.test(text));
        expect(readable).toBe(text.replaceAll(/[\0\p{Surrogate}]/gu, '\ufffd'));
      }),
    ));
});
