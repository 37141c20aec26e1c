import type { Position } from '../event.ts';

/**
 * Tables of rows by key, written by projections. Every adapter passes test/contracts/readStore.ts.
 *
 * Every row carries the position of the event that made it, and a write replaces a row only with one of a later
 * position. (Two rows with the same key and position are the same row: a write of a different one may or may not
 * succeed.) A removed row stays as a tombstone (value undefined), hidden from lists, until its table is rebuilt. The
 * checkpoint is written after the rows and only moves forward. So writes are idempotent, and a late commit of a former
 * lease holder changes nothing. A table is created by its first commit.
 */
export type ReadStore = {
  /** A row, a tombstone (value undefined), or undefined if there never was one. */
  get<Value>(table: string, key: string): Promise<Row<Value> | undefined>;

  /**
   * Rows in byte order of their keys (`a` and `A` differ), without tombstones: see Page. Of large rows it may return
   * fewer than `limit`, but at least one. `last` is the key to continue with if there may be more: `after` it, or, in
   * a descending list, `before` it.
   */
  list<Value>(table: string, page: Page): Promise<Listed<Value>>;

  /**
   * Writes rows, then the table's checkpoint; in one transaction if the engine has them. Without a position the
   * checkpoint stays: more rows will follow.
   */
  commit(table: string, rows: Row<object>[], position?: Position): Promise<void>;

  /** The table's checkpoint: the position up to which it holds all changes; undefined if nothing was committed yet. */
  checkpoint(table: string): Promise<Position | undefined>;

  /** The names of all tables that have a checkpoint. */
  tables(): Promise<string[]>;

  /**
   * Replaces table `to` by table `from`, rows and checkpoint, in one step for every reader; `from` is gone afterwards.
   * Returns false, changing nothing, if the checkpoint of `from` is behind that of `to`.
   */
  replaceTable(from: string, to: string): Promise<boolean>;

  /** Removes a table with its checkpoint; no error if there is none. */
  dropTable(table: string): Promise<void>;

  /** The holder and renewal counter of a lease. The rules of leases are in lease.ts. */
  readLease(name: string): Promise<LeaseRecord | undefined>;

  /**
   * Compare-and-swap: replaces the lease's record if it is the expected one (undefined: none). Returns whether it did.
   */
  swapLease(
    name: string,
    swap: { expected: LeaseRecord | undefined; next: LeaseRecord | undefined },
  ): Promise<boolean>;

  /**
   * Checks that the store can be written to: durably writes about as much as a usual change, apart from the tables and
   * over the previous probe. Throws as a write does.
   */
  probe(): Promise<void>;

  close(): Promise<void>;
};

export type Row<Value> = { key: string; value: Value | undefined; position: Position };
export type StoredRow<Value> = Row<Value> & { value: Value };
export type Listed<Value> = { rows: StoredRow<Value>[]; last: string | undefined };
/**
 * The first `limit` rows with a prefix: in ascending order those after a key, in descending order those before a key. No
 * row needs to have that key, and one that has it is left out.
 */
export type Page = { prefix?: string; limit: number } & (
  | { descending?: false; after?: string; before?: undefined }
  | { descending: true; before?: string; after?: undefined }
);
export type LeaseRecord = { holder: string; counter: number };
