import type { Position } from '../event.ts';

/**
 * Tables of rows by key, written by projections. Every adapter passes test/contracts/readStore.ts.
 *
 * Every row carries the position of the event that made it, and a write replaces a row only with a later position. (Rows
 * of one key and position are the same row: who writes another one in its place may or may not succeed.)
 * A removed row stays as a tombstone (value undefined) that lists hide, until its table is rebuilt. The checkpoint
 * is written after the rows and only ever moves forward. So a repeat, or a late commit of a former lease holder,
 * changes nothing. A table comes to be with its first commit.
 */
export type ReadStore = {
  /** A row, a tombstone (value undefined), or undefined where there never was one. */
  get<Value>(table: string, key: string): Promise<Row<Value> | undefined>;

  /**
   * Rows in byte order of their keys (`a` and `A` differ), those with the prefix and after the given key, without tombstones. Of rows
   * that are large it may answer fewer than `limit`, but at least one. `last` is the key to go on after where there may be more.
   */
  list<Value>(table: string, page: Page): Promise<Listed<Value>>;

  /**
   * Writes rows, then moves the table's checkpoint; in one transaction where the engine can. Without a position the
   * checkpoint stays where it is: more rows are to come.
   */
  commit(table: string, rows: Row<object>[], position?: Position): Promise<void>;

  /** How far the table has come; undefined for a table that nothing was committed to. */
  checkpoint(table: string): Promise<Position | undefined>;

  tables(): Promise<string[]>;

  /**
   * Puts the rows and checkpoint of table `from` in the place of table `to`, in one step for every reader, and removes
   * `from`. Answers false, changing nothing, when `from` has not come as far as `to`.
   */
  replaceTable(from: string, to: string): Promise<boolean>;

  /** Removes a table with its checkpoint; no error where there is none. */
  dropTable(table: string): Promise<void>;

  /** Who holds a lease, and its renewal counter. The rules of leases are in lease.ts. */
  readLease(name: string): Promise<LeaseRecord | undefined>;

  /** Replaces the lease's record if it still is the expected one (undefined: none); says whether it did. */
  swapLease(
    name: string,
    swap: { expected: LeaseRecord | undefined; next: LeaseRecord | undefined },
  ): Promise<boolean>;

  /**
   * Tries whether the store can be written to: durably writes about as much as a usual change, beside what the store keeps and over
   * what the last try wrote. Throws as writing does.
   */
  probe(): Promise<void>;

  close(): Promise<void>;
};

export type Row<Value> = { key: string; value: Value | undefined; position: Position };
export type StoredRow<Value> = Row<Value> & { value: Value };
export type Listed<Value> = { rows: StoredRow<Value>[]; last: string | undefined };
export type Page = { prefix?: string; after?: string; limit: number };
export type LeaseRecord = { holder: string; counter: number };
