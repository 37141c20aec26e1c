import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { asCode, fenced } from '../../src/domain/markdown.ts';

/** Printable ASCII with many backquotes. */
const text = fc.string({ unit: fc.oneof(fc.constant('`'), fc.string({ minLength: 1, maxLength: 1 })) });

describe('a fenced text', () => {
  test('has three backquotes around it', () => {
    expect(fenced('queue:*_*\nb')).toBe('```\nqueue:*_*\nb\n```');
  });

  test('has more if the text could end the block', () => {
    expect(fenced('a```\n````')).toBe('`````\na```\n````\n`````');
  });

  test('contains no line that could end the block', () => {
    fc.assert(
      fc.property(fc.array(text), (lines) => {
        const [fence, ...rest] = fenced(lines.join('\n')).split('\n');
        expect(rest.at(-1)).toBe(fence);
        for (const line of rest.slice(0, -1)) expect(line).not.toContain(fence);
      }),
    );
  });
});

describe('a text as code', () => {
  test.each([
    ['a*_', '`a*_`'],
    ['a`b', '``a`b``'],
    ['`a', '`` `a ``'],
    [' a', '`  a `'],
  ])('of %j is %j', (given, shown) => {
    expect(asCode(given)).toBe(shown);
  });

  test('ends where the text does', () => {
    fc.assert(
      fc.property(text, (given) => {
        const [fence] = /^`*/.exec(asCode(given))!;
        const inside = asCode(given).slice(fence.length, -fence.length);
        expect(inside.split(/[^`]+/)).not.toContain(fence);
        expect(inside).toContain(given);
      }),
    );
  });
});
