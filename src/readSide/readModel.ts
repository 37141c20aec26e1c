import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { bytesInMemory } from './bytesInMemory.ts';
import { compareIds } from './compareIds.ts';
import type { Event, Position, Recorded } from '../event.ts';
import { makeYielder } from '../process/timeSlicing.ts';
import { applyEvent, type Projection, tableOf } from '../projection.ts';
import type { Page, ReadStore, Row, StoredRow } from '../readStore/readStore.ts';
import { RecentlyUsed } from '../domain/recentlyUsed.ts';

/** Bytes that are kept of one table's rows after they were read; and what a row takes besides its key and value. */
const MOST_KNOWN = 32 * 1024 * 1024;
const AROUND = 200;

/** How far this node has come in the log. */
export type Follower = {
  /** Whether it holds a position. */
  holds(position: Position): boolean;
  /** Resolves when it holds the position, else throws ServiceUnavailable after a while. */
  untilHeld(position: Position): Promise<void>;
};

/** This node's view of a projection's table. */
export function readModel<R extends object, E extends Event>(
  projection: Projection<R, E>,
  store: ReadStore,
  follower: Follower,
): ReadModel<R> {
  const parts = { store, follower, isNew: false };
  return new ReadModel<R>(projection as unknown as Projection<object, Event>, parts);
}

/** The same of a table that is not there yet, and that nobody else writes: until it is, nothing is looked up in it. */
export function newReadModel(projection: Projection<object, Event>, store: ReadStore): ReadModel<object> {
  const alone: Follower = { holds: () => true, untilHeld: async () => undefined };
  return new ReadModel<object>(projection, { store, follower: alone, isNew: true });
}

/** Rows that are read at a time where all are wanted. */
const PAGE = 500;
/** Rows that are written at a time: some milliseconds' work; and where nobody is kept waiting. */
const AT_ONCE = 250;
const AT_ONCE_IN_NEW = 1000;

/** What this node made of a row and the shared table may lack: the row, or the events it has to add to a row it has not read. */
type Newer<R> = ({ row: Row<R>; events?: undefined } | { row?: undefined; events: Recorded[] }) & {
  /** It was asked for: it stays in memory once the shared table has it. */
  isWanted?: boolean;
};

/**
 * A projection as this node sees it: the shared rows of the read store, with this node's newer ones laid over them.
 *
 * Every node applies the log's events itself, so what it answers never waits for the node that writes the rows, nor does
 * following the log for the read store: what an event does to a row that is not in memory is worked out when the row is
 * wanted. A row stays in the overlay (a tombstone too) until the table's checkpoint has passed it. Whoever holds the
 * lease writes the overlay's rows to the store. The store may also be ahead of this node: no answer rests on a row that
 * is, as one that is newer than all others could grant what nobody was ever granted.
 */
export class ReadModel<R extends object> {
  readonly table: string;
  #projection: Projection<object, Event>;
  #store: ReadStore;
  #follower: Follower;
  #overlay = new Map<string, Newer<R>>();
  /** Rows that the store was asked for lately. They stay right, as every event that changes one passes through `apply`. */
  #known = new RecentlyUsed<Row<R>>(MOST_KNOWN, sizeOf);
  /** Rows that the store is being asked for. What is newer of them stays in the overlay meanwhile. */
  #underWay = new Map<string, Promise<Row<R>>>();
  #waitingEvents = 0;
  #isNew: boolean;
  #atOnce: number;

  constructor(
    projection: Projection<object, Event>,
    { store, follower, isNew }: { store: ReadStore; follower: Follower; isNew: boolean },
  ) {
    this.#projection = projection;
    this.table = tableOf(projection);
    this.#store = store;
    this.#follower = follower;
    this.#isNew = isNew;
    this.#atOnce = isNew ? AT_ONCE_IN_NEW : AT_ONCE;
  }

  /** The current row of a key; undefined where there is none. Throws ServiceUnavailable while the store is ahead of this node. */
  async get(key: string): Promise<R | undefined> {
    for (;;) {
      const row = this.#kept(key) ?? (await this.#row(key));
      if (this.#follower.holds(row.position)) return row.value;
      await this.#follower.untilHeld(row.position);
    }
  }

  /** The current row of a key where this node has it in memory. */
  inMemory(key: string): R | undefined {
    return this.#kept(key)?.value;
  }

  /** A page of rows in byte order of their keys. It may be short, even empty, before the end: go on after `last`. */
  async list(page: Page): Promise<{ rows: StoredRow<R>[]; last: string | undefined }> {
    const newer = this.#newerWithin(page);
    const { rows: stored, last } = await this.#store.list<R>(this.table, page);
    const merged = new Map<string, Row<R>>(stored.map((row) => [row.key, row]));
    const rows = await Promise.all(
      newer
        .filter(([key]) => merged.has(key) || last === undefined || compareIds(key, last) < 0)
        .map(([key, change]) => this.#changed(merged.get(key), change) ?? this.#row(key)),
    );
    for (const row of rows) merged.set(row.key, row);
    const present = [...merged.values()].filter((row): row is StoredRow<R> => row.value !== undefined);
    const sorted = present.sort((a, b) => compareIds(a.key, b.key)).slice(0, page.limit);
    return { rows: sorted, last: present.length > page.limit ? sorted.at(-1)!.key : last };
  }

  /** All rows with a prefix, page by page: the rows of one page are as of one moment. Others get a turn after each. */
  async *all(prefix?: string): AsyncGenerator<StoredRow<R>> {
    const yieldToEventLoop = makeYielder('background');
    let after: string | undefined;
    do {
      const page = await this.list({ prefix, after, limit: PAGE });
      yield* page.rows;
      after = page.last;
      await yieldToEventLoop();
    } while (after !== undefined);
  }

  /** Folds one event in, unless its row is newer already. */
  apply(event: Recorded): void {
    const { on, rowPerEvent, key: keyOf } = this.#projection;
    if (!on[event.type]) return;
    const key = keyOf(event);
    const newer = this.#overlay.get(key);
    const known = newer ? undefined : this.#known.get(key);
    if (known) this.#known.delete(key);
    const row = newer ? newer.row : (known ?? (rowPerEvent || this.#isNew ? absent(key) : undefined));
    if (row) {
      const isWanted = newer ? newer.isWanted : known !== undefined;
      this.#overlay.set(key, { row: this.#after(row, event), isWanted });
    } else {
      if (newer) newer.events!.push(event);
      else this.#overlay.set(key, { events: [event] });
      this.#waitingEvents += 1;
    }
  }

  /** About how many rows and events this node keeps in memory as the shared table may lack them. */
  get unwritten(): number {
    return this.#overlay.size + this.#waitingEvents;
  }

  /**
   * Writes the overlay to the shared table, whose checkpoint moves to the position at the end. In their order, and some at
   * a time: whoever else writes to the store, or waits for this process, gets a turn in between. It stops where the table
   * is no longer this node's to write.
   */
  async write(position: Position, isOurs = (): boolean => true): Promise<void> {
    const keys = [...this.#overlay.keys()];
    this.#isNew = false;
    if (keys.length > this.#atOnce) keys.sort(compareIds);
    for (let from = 0; ; from += this.#atOnce) {
      const rows = await Promise.all(
        keys.slice(from, from + this.#atOnce).map((key) => this.#overlay.get(key)?.row ?? this.#row(key)),
      );
      if (!isOurs()) return;
      const isLast = from + this.#atOnce >= keys.length;
      await this.#store.commit(this.table, rows, isLast ? position : undefined);
      if (isLast) break;
      await turnOfTheLoop();
    }
    this.settle(position);
  }

  /** Forgets rows that the shared table holds, as its checkpoint is at the position. */
  settle(position: Position): void {
    for (const [key, { row, events, isWanted }] of this.#overlay) {
      const at = row ? row.position : events.at(-1)!.position;
      if (at > position || this.#underWay.has(key)) continue;
      this.#overlay.delete(key);
      this.#waitingEvents -= events?.length ?? 0;
      if (row && isWanted) this.#known.set(key, row);
    }
  }

  /** How far the shared table has come. */
  checkpoint(): Promise<Position | undefined> {
    return this.#store.checkpoint(this.table);
  }

  /** A row that is wanted, and in memory. */
  #kept(key: string): Row<R> | undefined {
    const newer = this.#overlay.get(key);
    if (!newer) return this.#known.get(key);
    newer.isWanted = true;
    return newer.row;
  }

  /** A row, also of what never was there. It is ahead of this node where the store's is. */
  #row(key: string): Promise<Row<R>> {
    const underWay = this.#underWay.get(key) ?? this.#read(key).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, underWay);
    return underWay;
  }

  async #read(key: string): Promise<Row<R>> {
    const stored = await this.#store.get<R>(this.table, key);
    const newer = this.#overlay.get(key);
    const row = this.#changed(stored ?? absent(key), newer)!;
    if (!this.#follower.holds(row.position)) return row;
    if (!newer) this.#known.set(key, row);
    else {
      this.#overlay.set(key, { row, isWanted: newer.isWanted });
      this.#waitingEvents -= newer.events?.length ?? 0;
    }
    return row;
  }

  /** A row of the store with what is newer here; undefined where it must be looked up first. */
  #changed(stored: Row<R> | undefined, newer: Newer<R> | undefined): Row<R> | undefined {
    if (!newer?.events)
      return !newer || (stored && stored.position > newer.row.position) ? stored : newer.row;
    return stored && this.#folded(stored, newer.events);
  }

  #folded(before: Row<R>, events: readonly Recorded[]): Row<R> {
    return events.reduce((row, event) => this.#after(row, event), before);
  }

  /** A row after an event, where it is not newer already. */
  #after(row: Row<R>, event: Recorded): Row<R> {
    if (event.position <= row.position) return row;
    const value = applyEvent(this.#projection, row.value, event) as R | undefined;
    return { key: row.key, value, position: event.position };
  }

  /** A copy, taken before the store is read: what is written meanwhile is then in the one or in the other. */
  #newerWithin({ prefix = '', after }: Page): [string, Newer<R>][] {
    return [...this.#overlay].filter(
      ([key]) => key.startsWith(prefix) && (after === undefined || compareIds(key, after) > 0),
    );
  }
}

/** What never was there is older than everything. */
function absent(key: string): Row<never> {
  return { key, value: undefined, position: '' };
}

function sizeOf(key: string, { value }: Row<object>): number {
  return AROUND + 2 * key.length + bytesInMemory(value);
}
