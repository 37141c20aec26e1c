import { describe, expect, test } from '@jest/globals';
import { treeLines, wrappedLine } from '../../src/cli/tree.ts';

describe('the lines of trees', () => {
  test('show what is below what', () => {
    const trees = [
      {
        text: 'a',
        branches: [
          { text: 'b', branches: [{ text: 'c' }] },
          { text: 'd', branches: [{ text: 'e' }] },
        ],
      },
      { text: 'f' },
    ];
    expect(treeLines(trees)).toEqual(['a', '├─ b', '│  └─ c', '└─ d', '   └─ e', 'f']);
  });

  test('keep the lines of a text together', () => {
    const branches = [{ text: 'one\ntwo' }, { text: 'three\nfour' }];
    expect(treeLines([{ text: 'a\nb', branches }])).toEqual([
      'a',
      'b',
      '├─ one',
      '│  two',
      '└─ three',
      '   four',
    ]);
  });

  test('are wrapped between words, and within words that are too long', () => {
    const branches = [
      { text: `one two ${'x'.repeat(40)}`, branches: [{ text: 'y'.repeat(40) }] },
      { text: 'z' },
    ];
    const lines = treeLines([{ text: 'a', branches }], 30);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(30);
    expect(lines.slice(0, 2)).toEqual(['a', expect.stringMatching(/^├─ one two/)]);
    expect(lines.join('').match(/x/g)).toHaveLength(40);
    expect(lines.join('').match(/y/g)).toHaveLength(40);
    expect(lines.at(-1)).toBe('└─ z');
  });

  test('use at most 100 columns of a wide terminal', () => {
    const lines = treeLines([{ text: 'x'.repeat(250) }], 300);
    expect(lines.map((line) => line.length)).toEqual([100, 100, 50]);
  });
});

describe('a long line', () => {
  const line = `${'x'.repeat(60)} ${'y'.repeat(60)}`;

  test('is wrapped in a terminal, and indented where it goes on', () => {
    expect(wrappedLine(line, 178)).toBe(`${'x'.repeat(60)}\n  ${'y'.repeat(60)}`);
  });

  test('is left to other programs in one piece', () => {
    expect(wrappedLine(line, undefined)).toBe(line);
  });
});
