import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import type { Event, Position, Recorded } from './event.ts';
import { makeGiveWay } from './giveWay.ts';
import { applied, type Projection, tableOf } from './projection.ts';
import type { Page, ReadStore, Row, StoredRow } from './readStore/readStore.ts';
import { RecentlyUsed } from './domain/recentlyUsed.ts';

/** Rows of one table that are kept in memory after they were read. */
const MOST_KNOWN = 10_000;

/** This node's view of a projection's table. */
export function readModel<R extends object, E extends Event>(
  projection: Projection<R, E>,
  store: ReadStore,
): ReadModel<R> {
  return new ReadModel<R>(projection as unknown as Projection<object, Event>, { store, isNew: false });
}

/** The same of a table that is not there yet, and that nobody else writes: until it is, nothing is looked up in it. */
export function newReadModel(projection: Projection<object, Event>, store: ReadStore): ReadModel<object> {
  return new ReadModel<object>(projection, { store, isNew: true });
}

/** Rows that are read at a time where all are wanted. */
const PAGE = 500;
/** Rows that are written at a time: some milliseconds' work. */
const AT_ONCE = 1000;
const NO_ROWS: ReadonlyMap<string, Row<object>> = new Map();

/**
 * A projection as this node sees it: the shared rows of the read store, with this node's newer ones laid over them.
 *
 * Every node applies the log's events itself, so what it answers never waits for the node that writes the rows. A row
 * stays in the overlay (a tombstone too) until the table's checkpoint has passed it. Whoever holds the lease writes
 * the overlay's rows to the store.
 */
export class ReadModel<R extends object> {
  readonly table: string;
  #projection: Projection<object, Event>;
  #store: ReadStore;
  #overlay = new Map<string, Row<R>>();
  /** Rows that the store was asked for lately. They stay right, as every event that changes one passes through `apply`. */
  #known = new RecentlyUsed<Row<R>>(MOST_KNOWN);
  #applied = 0;
  #isNew: boolean;

  constructor(projection: Projection<object, Event>, { store, isNew }: { store: ReadStore; isNew: boolean }) {
    this.#projection = projection;
    this.table = tableOf(projection);
    this.#store = store;
    this.#isNew = isNew;
  }

  /** The current row of a key; undefined where there is none. */
  async get(key: string): Promise<R | undefined> {
    return (await this.#row(key)).value;
  }

  /** The current row of a key where this node has it in memory. */
  inMemory(key: string): R | undefined {
    return (this.#overlay.get(key) ?? this.#known.get(key))?.value;
  }

  /** A page of rows in byte order of their keys. It may be short, even empty, before the end: go on after `last`. */
  async list(page: Page): Promise<{ rows: StoredRow<R>[]; last: string | undefined }> {
    const newer = new Map(this.#overlayWithin(page));
    const stored = await this.#store.list<R>(this.table, page);
    const last = stored.length < page.limit ? undefined : stored.at(-1)!.key;
    const merged = new Map<string, Row<R>>(stored.map((row) => [row.key, row]));
    for (const [key, row] of newer) {
      const known = merged.get(key);
      if (known ? row.position > known.position : last === undefined || compareBytes(key, last) < 0)
        merged.set(key, row);
    }
    const present = [...merged.values()].filter((row): row is StoredRow<R> => row.value !== undefined);
    const rows = present.sort((a, b) => compareBytes(a.key, b.key)).slice(0, page.limit);
    return { rows, last: present.length > page.limit ? rows.at(-1)!.key : last };
  }

  /** All rows with a prefix, page by page: the rows of one page are as of one moment. Others get a turn after each. */
  async *all(prefix?: string): AsyncGenerator<StoredRow<R>> {
    const giveWay = makeGiveWay('background');
    let after: string | undefined;
    do {
      const page = await this.list({ prefix, after, limit: PAGE });
      yield* page.rows;
      after = page.last;
      await giveWay();
    } while (after !== undefined);
  }

  /** The rows that these events change and that are not in memory. */
  async rowsBefore(events: readonly Recorded[]): Promise<ReadonlyMap<string, Row<R>>> {
    if (this.#projection.rowPerEvent || this.#isNew) return NO_ROWS as ReadonlyMap<string, Row<R>>;
    const keys = new Set(this.#concerning(events).map((event) => this.#projection.key(event)));
    const missing = [...keys].filter((key) => !this.#overlay.has(key) && !this.#known.get(key));
    const rows = await Promise.all(missing.map((key) => this.#read(key)));
    return new Map(rows.map((row) => [row.key, row]));
  }

  /**
   * Folds one event in, unless its row is newer already. Answers the row it concerns; undefined when it is removed.
   * `before` holds what `rowsBefore` gave for it, asked for since the last event was folded in.
   */
  apply(event: Recorded, before: ReadonlyMap<string, Row<R>>): R | undefined {
    const projection = this.#projection;
    if (!projection.on[event.type]) return undefined;
    const key = projection.key(event);
    const row = projection.rowPerEvent
      ? undefined
      : (this.#overlay.get(key) ?? this.#known.get(key) ?? before.get(key));
    if (row && row.position >= event.position) return row.value;
    const value = applied(projection, row?.value, event) as R | undefined;
    this.#overlay.set(key, { key, value, position: event.position });
    this.#known.delete(key);
    this.#applied += 1;
    return value;
  }

  /** Rows that are newer than the shared table may be. */
  get unwritten(): number {
    return this.#overlay.size;
  }

  /**
   * Writes the overlay to the shared table, whose checkpoint moves to the position at the end. In their order, and some at
   * a time: whoever else writes to the store, or waits for this process, gets a turn in between.
   */
  async write(position: Position): Promise<void> {
    const rows = [...this.#overlay.values()];
    this.#isNew = false;
    if (rows.length > AT_ONCE) rows.sort((a, b) => compareBytes(a.key, b.key));
    for (let at = AT_ONCE; at < rows.length; at += AT_ONCE) {
      await this.#store.commit(this.table, rows.slice(at - AT_ONCE, at));
      await turnOfTheLoop();
    }
    const written = rows.length - (rows.length % AT_ONCE || AT_ONCE);
    await this.#store.commit(this.table, rows.slice(Math.max(0, written)), position);
    this.settle(position);
  }

  /** Forgets rows that the shared table holds, as its checkpoint is at the position. */
  settle(position: Position): void {
    for (const [key, row] of this.#overlay) if (row.position <= position) this.#overlay.delete(key);
  }

  /** How far the shared table has come. */
  checkpoint(): Promise<Position | undefined> {
    return this.#store.checkpoint(this.table);
  }

  /** A row, also of what never was there: it is older than everything. */
  async #row(key: string): Promise<Row<R>> {
    const kept = this.#overlay.get(key) ?? this.#known.get(key);
    if (kept) return kept;
    const applied = this.#applied;
    const row = await this.#read(key);
    // What was changed while the store was asked may be in the answer or not: it is not kept then.
    if (applied === this.#applied) this.#known.set(key, row);
    return row;
  }

  async #read(key: string): Promise<Row<R>> {
    const row = this.#isNew ? undefined : await this.#store.get<R>(this.table, key);
    return row ?? { key, value: undefined, position: '' };
  }

  #concerning(events: readonly Recorded[]): readonly Recorded[] {
    return events.filter((event) => this.#projection.on[event.type]);
  }

  /** A copy, taken before the store is read: what is written meanwhile is then in the one or in the other. */
  #overlayWithin({ prefix = '', after }: Page): [string, Row<R>][] {
    return [...this.#overlay].filter(
      ([key]) => key.startsWith(prefix) && (after === undefined || compareBytes(key, after) > 0),
    );
  }
}

/** Order of the UTF-8 bytes of two keys. Ids are ASCII, where it is the order of the text itself. */
function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
