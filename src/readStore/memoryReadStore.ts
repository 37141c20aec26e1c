import type { Position } from '../event.ts';
import { boundedPage } from '../storage/boundedPage.ts';
import { compareBytes } from './compareBytes.ts';
import type { LeaseRecord, Page, ReadStore, Row, StoredRow } from './readStore.ts';

type Table = { rows: Map<string, Row<object>>; checkpoint: Position | undefined };

/** A read store in memory, for tests. */
export function memoryReadStore(): ReadStore {
  const tables = new Map<string, Table>();
  const leases = new Map<string, LeaseRecord>();

  return {
    async get<Value>(table: string, key: string) {
      return structuredClone(tables.get(table)?.rows.get(key)) as Row<Value> | undefined;
    },
    async list<Value>(table: string, { prefix = '', descending, after, before, limit }: Page) {
      const rows = [...(tables.get(table)?.rows.values() ?? [])]
        .filter(({ key, value }) => value !== undefined && key.startsWith(prefix))
        .filter(({ key }) => after === undefined || compareBytes(key, after) > 0)
        .filter(({ key }) => before === undefined || compareBytes(key, before) < 0)
        .sort((a, b) => (descending ? compareBytes(b.key, a.key) : compareBytes(a.key, b.key)));
      const { page, hasMore } = boundedPage(
        rows.slice(0, limit),
        ({ value }) => JSON.stringify(value).length,
      );
      const last = hasMore || page.length === limit ? page.at(-1)?.key : undefined;
      return { rows: structuredClone(page) as StoredRow<Value>[], last };
    },
    async commit(name, rows, position) {
      const table: Table = tables.get(name) ?? { rows: new Map(), checkpoint: position };
      tables.set(name, table);
      for (const row of structuredClone(rows)) {
        const known = table.rows.get(row.key);
        if (!known || row.position > known.position) table.rows.set(row.key, row);
      }
      if (position !== undefined && position > (table.checkpoint ?? '')) table.checkpoint = position;
    },
    checkpoint: async (table) => tables.get(table)?.checkpoint,
    tables: async () =>
      [...tables.keys()].filter((name) => tables.get(name)!.checkpoint !== undefined).sort(),
    async replaceTable(from, to) {
      const [next, current] = [tables.get(from), tables.get(to)];
      if (next?.checkpoint === undefined) return false;
      if (current?.checkpoint !== undefined && next.checkpoint < current.checkpoint) return false;
      tables.set(to, next);
      tables.delete(from);
      return true;
    },
    async dropTable(table) {
      tables.delete(table);
    },
    readLease: async (name) => leases.get(name) && { ...leases.get(name)! },
    async swapLease(name, { expected, next }) {
      const current = leases.get(name);
      if (current?.holder !== expected?.holder || current?.counter !== expected?.counter) return false;
      if (next) leases.set(name, { ...next });
      else leases.delete(name);
      return true;
    },
    probe: async () => undefined,
    close: async () => undefined,
  };
}
