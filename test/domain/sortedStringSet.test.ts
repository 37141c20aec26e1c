import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SortedStringSet } from '../../src/domain/sortedStringSet.ts';

const text = fc.stringMatching(/^[ab!]{0,4}$/);

test('a sorted string set finds what a linear search finds', () => {
  fc.assert(
    fc.property(
      fc.array(text, { maxLength: 20 }),
      fc.array(text),
      fc.tuple(text, text),
      (added, deleted, [wanted, prefix]) => {
        const texts = new SortedStringSet();
        for (const each of added) texts.add(each);
        for (const each of deleted) texts.delete(each);
        const plain = [...new Set(added)].filter((each) => !deleted.includes(each)).sort();
        expect(texts.after(undefined, Infinity)).toEqual(plain);
        expect(texts.after(wanted, 2)).toEqual(plain.filter((each) => each > wanted).slice(0, 2));
        expect(texts.startingWith(wanted)).toEqual(plain.filter((each) => each.startsWith(wanted)));
        const before = plain.filter((each) => each < wanted && each.startsWith(prefix));
        expect([...texts.eachBefore(wanted, prefix)]).toEqual(before.reverse());
        expect(texts.prefixesOf(wanted)).toEqual(plain.filter((each) => wanted.startsWith(each)).reverse());
      },
    ),
    { numRuns: 1000 },
  );
});

test('many strings that are added and deleted at once, again and again, are found, too', () => {
  const texts = new SortedStringSet();
  const plain = new Set<string>();
  for (const [batch, size] of [1000, 100, 300, 70, 2000, 90].entries()) {
    const some = Array.from({ length: size }, (_, i) => `${(i * 7919) % 2503}/${batch % 2}`);
    texts.addAll(some);
    for (const each of some) plain.add(each);
    if (batch !== 2) continue;
    const deleted = some.slice(0, 200);
    texts.deleteAll(deleted);
    for (const each of deleted) plain.delete(each);
  }
  expect(texts.after(undefined, Infinity)).toEqual([...plain].sort());
});
