import { describe, expect, test } from '@jest/globals';
import { honourNoColor } from '../../src/config/honourNoColor.ts';
import { printable } from '../../src/cli/printable.ts';

describe('printable text', () => {
  test.each(['plain text, with {braces} and \\', 'ü 漢字 → ├─ │', 'עברית العربية', '🔑 👩‍🚀'])(
    '%s stays as it is',
    (text) => {
      expect(printable(text)).toBe(text);
    },
  );

  test.each([
    ['a control character', '\u001b[2J', '\\u{1b}[2J'],
    ['a new line', 'a\nb\rc', 'a\\u{a}b\\u{d}c'],
    ['a control character of one byte', '\u009b2J', '\\u{9b}2J'],
    ['delete', '\u007f', '\\u{7f}'],
    ['what separates lines and paragraphs', '\u2028\u2029', '\\u{2028}\\u{2029}'],
    ['what changes the direction', '\u202ea\u2066b\u200f\u061c', '\\u{202e}a\\u{2066}b\\u{200f}\\u{61c}'],
    ['half a character', 'a\ud800b', 'a\\u{d800}b'],
  ])('%s is escaped', (_, text, escaped) => {
    expect(printable(text)).toBe(escaped);
  });
});

describe('NO_COLOR', () => {
  test.each([
    [{ NO_COLOR: '1' }, '0'],
    [{ NO_COLOR: '1', FORCE_COLOR: '1' }, '1'],
    [{ NO_COLOR: '' }, undefined],
    [{}, undefined],
  ])('in %j turns colours off unless FORCE_COLOR says otherwise', (given, forced) => {
    const env: NodeJS.ProcessEnv = { ...given };
    honourNoColor(env);
    expect(env['FORCE_COLOR']).toBe(forced);
  });
});
