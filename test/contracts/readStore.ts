import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Page, ReadStore } from '../../src/readStore/readStore.ts';
import { allRows } from '../allRows.ts';

export type OpenedReadStore = { store: ReadStore; other?: ReadStore; remove(): Promise<void> };

const at = (count: number): string => `log.${String(count).padStart(20, '0')}`;
const row = (key: string, count: number, value: object | undefined = { count }) => ({
  key,
  value,
  position: at(count),
});

/** What every read store does. */
export function readStoreContract(name: string, open: () => Promise<OpenedReadStore>): void {
  describe(`read store contract: ${name}`, () => {
    let opened: OpenedReadStore;
    let store: ReadStore;
    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened.remove());
    const keys = async (page = {}): Promise<string[]> =>
      (await store.list('t', { limit: 100, ...page })).rows.map(({ key }) => key);

    test('a table that was never written is empty', async () => {
      expect(await store.get('t', 'a')).toBeUndefined();
      expect(await keys()).toEqual([]);
      expect(await store.list('t', { limit: 9, descending: true, before: 'b' })).toEqual({
        rows: [],
        last: undefined,
      });
      expect(await store.checkpoint('t')).toBeUndefined();
      expect(await store.tables()).toEqual([]);
    });

    const large = ['a', 'b', 'c', 'd', 'e'].map((key) => ({
      key,
      value: { text: key.repeat(400_000) },
      position: at(1),
    }));

    test('a list of large rows ends early, and continues after its last key', async () => {
      await store.commit('t', large, at(1));
      expect(await allRows(store, 't')).toEqual(large);
      const { rows, last } = await store.list('t', { limit: 100 });
      expect(rows.length).toBeLessThan(5);
      expect(last).toBe(rows.at(-1)!.key);
      expect(await store.list('t', { after: 'd', limit: 100 })).toEqual({
        rows: [large[4]],
        last: undefined,
      });
    });

    test('a descending list of large rows ends early, and continues before its last key', async () => {
      await store.commit('t', large, at(1));
      const { rows, last } = await store.list('t', { limit: 100, descending: true });
      expect(rows.length).toBeLessThan(5);
      expect(rows).toEqual(large.toReversed().slice(0, rows.length));
      expect(last).toBe(rows.at(-1)!.key);
      expect(await store.list('t', { before: 'b', limit: 100, descending: true })).toEqual({
        rows: [large[0]],
        last: undefined,
      });
    });

    test('a row is what was written last in the order of the log', async () => {
      await store.commit('t', [row('a', 1), row('b', 1)], at(1));
      await store.commit('t', [row('a', 3)], at(3));
      expect(await store.get('t', 'a')).toEqual(row('a', 3));
      expect(await store.checkpoint('t')).toBe(at(3));
      expect(await store.tables()).toEqual(['t']);
    });

    test('a repeat, and a late commit of a former lease holder, change nothing', async () => {
      await store.commit('t', [row('a', 1), row('b', 2)], at(2));
      await store.commit('t', [row('a', 5)], at(5));
      await store.commit('t', [row('a', 1, { late: true }), row('b', 2)], at(2));
      await store.commit('t', [row('a', 5), row('b', 1, { late: true })], at(2));
      expect(await store.get('t', 'b')).toEqual(row('b', 2));
      expect(await store.get('t', 'a')).toEqual(row('a', 5));
      expect(await store.checkpoint('t')).toBe(at(5));
    });

    test('a late holder cannot bring back a deleted client', async () => {
      await store.commit('t', [row('client', 1)], at(1));
      await store.commit('t', [{ key: 'client', value: undefined, position: at(3) }], at(3));
      await store.commit('t', [row('client', 2)], at(2));
      expect(await keys()).toEqual([]);
      expect(await store.get('t', 'client')).toEqual({ key: 'client', value: undefined, position: at(3) });
      await store.commit('t', [row('client', 4)], at(4));
      expect(await keys()).toEqual(['client']);
    });

    test('rows may come ahead of the checkpoint, which then stays where it is', async () => {
      await store.commit('t', [row('a', 5)]);
      expect(await keys()).toEqual(['a']);
      expect(await store.checkpoint('t')).toBeUndefined();
      await store.commit('t', [], at(4));
      await store.commit('t', [row('b', 6)]);
      expect(await store.checkpoint('t')).toBe(at(4));
      expect(await keys()).toEqual(['a', 'b']);
    });

    test('lists are in the order of bytes, by prefix, in pages', async () => {
      const all = ['a', 'A', 'b', 'aa', 'a/', 'a\n1', 'é', '\u{1F600}', '\uFFFD'];
      await store.commit(
        't',
        all.map((key) => row(key, 1)),
        at(1),
      );
      const sorted = all.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
      expect(await keys()).toEqual(sorted);
      expect(await keys({ prefix: 'a' })).toEqual(['a', 'a\n1', 'a/', 'aa']);
      expect(await keys({ prefix: 'a', after: 'a\n1' })).toEqual(['a/', 'aa']);
      expect(await keys({ after: 'a', limit: 2 })).toEqual(['a\n1', 'a/']);
      expect(await keys({ prefix: 'b', after: 'a' })).toEqual(['b']);
      expect(await keys({ prefix: 'zz' })).toEqual([]);
    });

    test('descending lists are in the opposite order, by prefix, in pages', async () => {
      const all = ['a', 'A', 'b', 'aa', 'a/', 'a\n1', 'é', '\u{1F600}', '\uFFFD', 'a\uFFFD', 'a\u{1F600}'];
      await store.commit(
        't',
        all.map((key) => row(key, 1)),
        at(1),
      );
      const sorted = all.toSorted((one, other) => Buffer.compare(Buffer.from(other), Buffer.from(one)));
      const descending = true;
      expect(await keys({ descending })).toEqual(sorted);
      expect(await keys({ descending, prefix: 'a' })).toEqual(sorted.filter((key) => key.startsWith('a')));
      expect(await keys({ descending, prefix: 'a', before: 'aa' })).toEqual(['a/', 'a\n1', 'a']);
      expect(await keys({ descending, prefix: 'a', before: 'a0' })).toEqual(['a/', 'a\n1', 'a']);
      expect(await keys({ descending, prefix: 'a', before: 'a/\0' })).toEqual(['a/', 'a\n1', 'a']);
      expect(await keys({ descending, prefix: 'a\n', before: 'b' })).toEqual(['a\n1']);
      expect(await keys({ descending, prefix: 'b', before: 'a' })).toEqual([]);
      expect(await keys({ descending, prefix: 'zz' })).toEqual([]);
      expect(await keys({ descending, before: '\uFFFD', limit: 2 })).toEqual(['é', 'b']);
      expect(await keys({ descending, before: '\u{1F600}', limit: 2 })).toEqual(['\uFFFD', 'é']);
      expect(await keys({ descending, prefix: 'a', before: 'a\uFFFD', limit: 1 })).toEqual(['aa']);
      expect(await keys({ descending, prefix: 'a', before: 'a\u{1F600}', limit: 1 })).toEqual(['a\uFFFD']);
    });

    test('a page that is full says where to continue, in either direction', async () => {
      await store.commit('t', [row('a', 1), row('b', 1), row('c', 1)], at(1));
      const lastOf = async (page: Page): Promise<string | undefined> => (await store.list('t', page)).last;
      expect(await lastOf({ limit: 2 })).toBe('b');
      expect(await lastOf({ limit: 2, after: 'b' })).toBeUndefined();
      expect(await lastOf({ limit: 2, descending: true })).toBe('b');
      expect(await lastOf({ limit: 2, descending: true, before: 'b' })).toBeUndefined();
    });

    test('a removed row is in no list, and takes no place in a page', async () => {
      await store.commit('t', [row('a', 1), row('b', 2), row('c', 3)], at(3));
      await store.commit('t', [{ key: 'b', value: undefined, position: at(4) }], at(4));
      expect(await keys({ limit: 2 })).toEqual(['a', 'c']);
      expect(await keys({ limit: 2, descending: true })).toEqual(['c', 'a']);
      expect(await keys({ limit: 1, descending: true, before: 'c' })).toEqual(['a']);
    });

    test('a table replaces another only if its checkpoint is not behind', async () => {
      await store.commit('t', [row('old', 5)], at(5));
      await store.commit('new', [row('new', 4)], at(4));
      expect(await store.replaceTable('new', 't')).toBe(false);
      expect(await keys()).toEqual(['old']);
      await store.commit('new', [row('newer', 6)], at(6));
      expect(await store.replaceTable('new', 't')).toBe(true);
      expect(await keys()).toEqual(['new', 'newer']);
      expect(await store.checkpoint('t')).toBe(at(6));
      expect(await store.tables()).toEqual(['t']);
      expect(await store.replaceTable('nothing', 't')).toBe(false);
    });

    test('another process sees a table that took the place of one it had read', async () => {
      const { other } = opened;
      if (!other) return;
      await store.commit('t', [row('old', 1)], at(1));
      expect(await other.get('t', 'old')).toEqual(row('old', 1));
      await store.commit('new', [row('new', 2)], at(2));
      await store.replaceTable('new', 't');
      expect(await other.get('t', 'old')).toBeUndefined();
      expect((await other.list('t', { limit: 9 })).rows).toEqual([row('new', 2)]);
      await other.commit('t', [row('newer', 3)], at(3));
      expect(await keys()).toEqual(['new', 'newer']);
      await other.dropTable('t');
      expect(await keys()).toEqual([]);
      expect(await store.get('t', 'new')).toBeUndefined();
    });

    test('a table that is dropped is gone with its checkpoint', async () => {
      await store.commit('t', [row('a', 1)], at(1));
      await store.dropTable('t');
      await store.dropTable('t');
      expect(await store.checkpoint('t')).toBeUndefined();
      await store.commit('t', [row('b', 1)], at(1));
      expect(await keys()).toEqual(['b']);
    });

    test('a probe leaves no trace in the tables', async () => {
      await store.probe();
      expect(await store.tables()).toEqual([]);
      await store.commit('t', [row('a', 1)], at(1));
      await Promise.all([store.probe(), store.probe(), opened.other?.probe()]);
      expect(await store.tables()).toEqual(['t']);
      expect(await keys()).toEqual(['a']);
    });

    test('a lease changes hands only as expected', async () => {
      const [mine, yours] = [
        { holder: 'me', counter: 1 },
        { holder: 'you', counter: 2 },
      ];
      expect(await store.readLease('l')).toBeUndefined();
      expect(await store.swapLease('l', { expected: yours, next: mine })).toBe(false);
      expect(await store.swapLease('l', { expected: undefined, next: mine })).toBe(true);
      expect(await store.swapLease('l', { expected: undefined, next: yours })).toBe(false);
      expect(await store.readLease('l')).toEqual(mine);
      expect(await store.swapLease('l', { expected: { ...mine, counter: 0 }, next: yours })).toBe(false);
      expect(await store.swapLease('l', { expected: mine, next: yours })).toBe(true);
      expect(await store.swapLease('l', { expected: yours, next: undefined })).toBe(true);
      expect(await store.readLease('l')).toBeUndefined();
    });

    test('any history of commits leaves what the latest positions say', async () => {
      const commit = fc.array(
        fc.record({
          key: fc.constantFrom('a', 'b', 'ab', 'B'),
          count: fc.integer({ min: 1, max: 9 }),
        }),
        { maxLength: 4 },
      );
      const isRemoved = (count: number): boolean => count % 3 === 0;
      await fc.assert(
        fc.asyncProperty(fc.array(commit, { maxLength: 6 }), async (commits) => {
          await store.dropTable('t');
          const plain = new Map<string, number>();
          for (const rows of commits) {
            await store.commit(
              't',
              rows.map(({ key, count }) => ({
                ...row(key, count),
                value: isRemoved(count) ? undefined : { count },
              })),
              at(1),
            );
            for (const { key, count } of rows) plain.set(key, Math.max(count, plain.get(key) ?? 0));
          }
          const expected = [...plain]
            .filter(([, count]) => !isRemoved(count))
            .map(([key, count]) => row(key, count));
          const ascending = expected.toSorted((one, other) => (one.key < other.key ? -1 : 1));
          expect((await store.list('t', { limit: 9 })).rows).toEqual(ascending);
          const { rows: descending } = await store.list('t', { limit: 9, descending: true });
          expect(descending).toEqual(ascending.toReversed());
        }),
        { numRuns: 40 },
      );
    });
  });
}
