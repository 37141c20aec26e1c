import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { bytesInMemory } from './bytesInMemory.ts';
import { compareIds } from './compareIds.ts';
import { SortedStringSet } from '../domain/sortedStringSet.ts';
import type { Event, Position, Recorded } from '../event.ts';
import { makeYielder } from '../process/timeSlicing.ts';
import { applyEvent, type Projection, tableOf } from '../projection.ts';
import type { Listed, Page, ReadStore, Row, StoredRow } from '../readStore/readStore.ts';

/** Bytes that are kept of one table's rows after they were read; and what a row takes besides its key and value. */
const MAX_KNOWN_BYTES = 32 * 1024 * 1024;
const AROUND = 200;
/** The same of rows that never change, which are only kept so that they are not written again. */
const MAX_KNOWN_CONSTANT_BYTES = 8 * 1024 * 1024;

/** How far this node has followed the log. */
export type Follower = {
  /** Whether its read models hold a position. */
  holds(position: Position): boolean;
  /** Resolves when they hold the position; throws ServiceUnavailable if that takes too long. */
  untilHeld(position: Position): Promise<void>;
};

/** This node's view of a projection's table. See ReadModel. */
export function readModel<R extends object, E extends Event>(
  projection: Projection<R, E>,
  store: ReadStore,
  follower: Follower,
): ReadModel<R> {
  const parts = { store, follower, isNew: false };
  return new ReadModel<R>(projection as unknown as Projection<object, Event>, parts);
}

/**
 * A view of a table that nobody else writes, `batchSize` rows at a time. If it is new, nothing is looked up in it until
 * its first write.
 */
export function draftReadModel(
  projection: Projection<object, Event>,
  { store, isNew, batchSize }: { store: ReadStore; isNew: boolean; batchSize?: number },
): ReadModel<object> {
  const alone: Follower = { holds: () => true, untilHeld: async () => undefined };
  return new ReadModel<object>(projection, { store, follower: alone, isNew, batchSize, isDraft: true });
}

/** Rows in one read of `all`. */
const PAGE_SIZE = 500;
/** Rows in one write: some milliseconds' work. A draft takes more, because nobody waits for it. */
export const WRITE_BATCH_SIZE = 250;
const DRAFT_WRITE_BATCH_SIZE = 1000;

/** What the shared table may lack: a row of this node, or events to be folded into a row that it has not read yet. */
type OverlayEntry<R> = ({ row: Row<R>; events?: undefined } | { row?: undefined; events: Recorded[] }) & {
  /** Whether it was read: then it stays in memory once the shared table has it. */
  wasRequested?: boolean;
};

/**
 * A projection as this node sees it: the shared rows of the read store, overlaid with this node's newer ones.
 *
 * Every node applies the log's events itself, so its answers never wait for the node that writes the rows. Nor does
 * following the log wait for the read store: events of a row that is not in memory are folded into it when it is read.
 * A row (or a tombstone) stays in the overlay until the table's checkpoint has passed it. The holder of the lease
 * writes the overlay to the store. The store may also be ahead of this node. Answers never rest on such a row: mixed
 * with the older rows of this node, it could grant what was never granted.
 */
export class ReadModel<R extends object> {
  readonly table: string;
  #projection: Projection<object, Event>;
  #store: ReadStore;
  #follower: Follower;
  #overlay = new Map<string, OverlayEntry<R>>();
  /** The keys of the overlay in order, from the first `lastUpTo` on: only some tables have such lookups. */
  #sortedKeys: SortedStringSet | undefined;
  /** Rows that were read lately. They stay up to date, because every event that changes one passes through `apply`. */
  #known: LRUCache<string, Row<R>>;
  /** Reads of the store that are in progress. Overlay entries of these rows stay until the reads have ended. */
  #pendingReads = new Map<string, Promise<Row<R>>>();
  #unfoldedEvents = 0;
  #isNew: boolean;
  /** Nobody reads it, and no event is applied to it during a write: it keeps nothing that was written. */
  #isDraft: boolean;
  #batchSize: number;

  constructor(
    projection: Projection<object, Event>,
    {
      store,
      follower,
      isNew,
      batchSize = isNew ? DRAFT_WRITE_BATCH_SIZE : WRITE_BATCH_SIZE,
      isDraft = false,
    }: { store: ReadStore; follower: Follower; isNew: boolean; batchSize?: number; isDraft?: boolean },
  ) {
    this.#projection = projection;
    const maxSize = projection.hasConstantRows ? MAX_KNOWN_CONSTANT_BYTES : MAX_KNOWN_BYTES;
    this.#known = new LRUCache<string, Row<R>>({ maxSize, sizeCalculation: sizeOf });
    this.table = tableOf(projection);
    this.#store = store;
    this.#follower = follower;
    this.#isNew = isNew;
    this.#isDraft = isDraft;
    this.#batchSize = batchSize;
  }

  /**
   * The current row of a key; undefined if there is none. Throws ServiceUnavailable if the store stays ahead of this
   * node.
   */
  async get(key: string): Promise<R | undefined> {
    return (await this.row(key)).value;
  }

  /**
   * The current row of a key with the position of the event that made it, also if it was removed; the position is empty
   * if nothing is known of it. Throws like `get`.
   */
  async row(key: string): Promise<Row<R>> {
    for (;;) {
      const row = this.#fromMemory(key) ?? (await this.#load(key));
      if (this.#follower.holds(row.position)) return row;
      await this.#follower.untilHeld(row.position);
    }
  }

  /** The current row of a key if it is in memory; undefined otherwise. */
  inMemory(key: string): R | undefined {
    return this.#fromMemory(key)?.value;
  }

  /**
   * A page of rows in byte order of their keys, or in the opposite order. It may be short, or even empty, before the
   * end: continue after `last`, or, if descending, before it.
   */
  list(page: Page): Promise<Listed<R>> {
    return this.#listOver(this.#overlayWithin(page), page);
  }

  /**
   * The row with the greatest key that has the prefix and is not beyond the given key; undefined if there is none. As in
   * a list, each row is of some moment during the call. Throws ServiceUnavailable if the store stays ahead of this node.
   */
  async lastUpTo({ prefix, key }: { prefix: string; key: string }): Promise<StoredRow<R> | undefined> {
    // The least key beyond it, because `before` leaves its own key out.
    const following = `${key}\0`;
    let before: string | undefined = following;
    while (before !== undefined) {
      const entries = this.#overlayDownToRow(before, prefix);
      const limit = Math.max(entries.length, 1);
      const { rows, last } = await this.#listOver(entries, { prefix, before, limit, descending: true });
      const row = rows[0];
      if (row && this.#follower.holds(row.position)) return row;
      if (row) await this.#follower.untilHeld(row.position);
      before = row ? following : last;
    }
    return undefined;
  }

  /**
   * All rows with a prefix, after a key, page by page. Rows of one page are of one moment. Yields to the event loop
   * between pages, by default as work in the background does.
   */
  async *all({
    prefix,
    after,
    kind = 'background',
  }: { prefix?: string; after?: string; kind?: Parameters<typeof makeYielder>[0] } = {}): AsyncGenerator<
    StoredRow<R>
  > {
    const yieldIfDue = makeYielder(kind);
    do {
      const page = await this.list({ prefix, after, limit: PAGE_SIZE });
      yield* page.rows;
      after = page.last;
      await yieldIfDue();
    } while (after !== undefined);
  }

  /** Folds an event into the rows that it concerns, unless they are newer already. */
  apply(event: Recorded): void {
    if (!this.#projection.on[event.type]) return;
    for (const key of this.#projection.keys(event)) this.#applyTo(key, event);
  }

  #applyTo(key: string, event: Recorded): void {
    const { forgetsFormer, hasConstantRows } = this.#projection;
    const entry = this.#overlay.get(key);
    const known = entry || this.#known.size === 0 ? undefined : this.#known.get(key);
    if (hasConstantRows && (entry?.row ?? known)?.value) return;
    if (known) this.#known.delete(key);
    const row = entry ? entry.row : (known ?? (forgetsFormer || this.#isNew ? absentRow(key) : undefined));
    if (row) {
      const wasRequested = entry ? entry.wasRequested : known !== undefined;
      this.#overlay.set(key, { row: this.#applied(row, event), wasRequested });
    } else {
      if (entry) entry.events!.push(event);
      else this.#overlay.set(key, { events: [event] });
      this.#unfoldedEvents += 1;
    }
    if (!entry) this.#sortedKeys?.add(key);
  }

  /** About how many rows and events are in memory because the shared table may lack them. */
  get unwritten(): number {
    return this.#overlay.size + this.#unfoldedEvents;
  }

  /**
   * Writes the overlay to the shared table in batches, and then its checkpoint, the position. It yields in between, to
   * this process and to other writers of the store. It stops when `isOurs` says that the table is no longer this node's
   * to write.
   */
  async write(position: Position, isOurs = (): boolean => true): Promise<void> {
    const keys = [...this.#overlay.keys()];
    this.#isNew = false;
    if (keys.length > this.#batchSize) keys.sort(compareIds);
    for (let from = 0; ; from += this.#batchSize) {
      const rows = await Promise.all(
        keys.slice(from, from + this.#batchSize).map((key) => this.#overlay.get(key)?.row ?? this.#load(key)),
      );
      if (!isOurs()) return;
      const isLast = from + this.#batchSize >= keys.length;
      await this.#store.commit(this.table, rows, isLast ? position : undefined);
      if (isLast) break;
      await yieldToEventLoop();
    }
    if (this.#isDraft) this.#forgetWritten();
    else this.settle(position);
  }

  /** Removes rows from the overlay that the shared table holds, now that its checkpoint is at the position. */
  settle(position: Position): void {
    const settled: string[] = [];
    for (const [key, { row, events, wasRequested }] of this.#overlay) {
      const at = row ? row.position : events.at(-1)!.position;
      if (at > position || this.#pendingReads.has(key)) continue;
      this.#overlay.delete(key);
      if (this.#sortedKeys) settled.push(key);
      this.#unfoldedEvents -= events?.length ?? 0;
      if (row && (wasRequested || this.#projection.hasConstantRows)) this.#known.set(key, row);
    }
    this.#sortedKeys?.deleteAll(settled);
  }

  #forgetWritten(): void {
    this.#overlay.clear();
    this.#unfoldedEvents = 0;
  }

  /** The checkpoint of the shared table. */
  checkpoint(): Promise<Position | undefined> {
    return this.#store.checkpoint(this.table);
  }

  /** A requested row, if it is in memory. */
  #fromMemory(key: string): Row<R> | undefined {
    const entry = this.#overlay.get(key);
    if (!entry) return this.#known.get(key);
    entry.wasRequested = true;
    return entry.row;
  }

  /** Reads a row; one that never existed has no value. It may be ahead of this node, as the store may be. */
  #load(key: string): Promise<Row<R>> {
    const pending =
      this.#pendingReads.get(key) ?? this.#read(key).finally(() => this.#pendingReads.delete(key));
    this.#pendingReads.set(key, pending);
    return pending;
  }

  async #read(key: string): Promise<Row<R>> {
    const stored = await this.#store.get<R>(this.table, key);
    const entry = this.#overlay.get(key);
    const row = this.#merge(stored ?? absentRow(key), entry)!;
    if (!this.#follower.holds(row.position)) return row;
    if (!entry) this.#known.set(key, row);
    else {
      this.#overlay.set(key, { row, wasRequested: entry.wasRequested });
      this.#unfoldedEvents -= entry.events?.length ?? 0;
    }
    return row;
  }

  /** Merges a row of the store with the overlay; undefined if the row must be read first. */
  #merge(stored: Row<R> | undefined, entry: OverlayEntry<R> | undefined): Row<R> | undefined {
    if (!entry?.events)
      return !entry || (stored && stored.position > entry.row.position) ? stored : entry.row;
    return stored && this.#fold(stored, entry.events);
  }

  #fold(before: Row<R>, events: readonly Recorded[]): Row<R> {
    return events.reduce((row, event) => this.#applied(row, event), before);
  }

  /** A row after an event, unless it is newer already. */
  #applied(row: Row<R>, event: Recorded): Row<R> {
    if (event.position <= row.position) return row;
    const value = applyEvent(this.#projection, row.value, event) as R | undefined;
    return { key: row.key, value, position: event.position };
  }

  /**
   * A page of the store, overlaid with the given entries. They are taken before the store is read, so that a row written
   * meanwhile is in one of the two.
   */
  async #listOver(entries: [string, OverlayEntry<R>][], page: Page): Promise<Listed<R>> {
    const compare = comparerOf(page);
    const listed = await this.#store.list<R>(this.table, page);
    if (entries.length === 0) return listed;
    const { rows: stored, last } = listed;
    const merged = new Map<string, Row<R>>(stored.map((row) => [row.key, row]));
    const rows = await Promise.all(
      entries
        .filter(([key]) => merged.has(key) || last === undefined || compare(key, last) < 0)
        .map(([key, entry]) => this.#merge(merged.get(key), entry) ?? this.#load(key)),
    );
    for (const row of rows) merged.set(row.key, row);
    const present = [...merged.values()].filter((row): row is StoredRow<R> => row.value !== undefined);
    const sorted = present.sort((a, b) => compare(a.key, b.key)).slice(0, page.limit);
    return { rows: sorted, last: present.length > page.limit ? sorted.at(-1)!.key : last };
  }

  /** The overlay's entries that a page may contain. */
  #overlayWithin(page: Page): [string, OverlayEntry<R>][] {
    const { prefix = '', after, before } = page;
    const start = after ?? before;
    const compare = comparerOf(page);
    return [...this.#overlay].filter(
      ([key]) => key.startsWith(prefix) && (start === undefined || compare(key, start) > 0),
    );
  }

  /** The overlay's last entries before a key, up to the first that surely is a row: what is below it is no last row. */
  #overlayDownToRow(before: string, prefix: string): [string, OverlayEntry<R>][] {
    if (!this.#sortedKeys) {
      this.#sortedKeys = new SortedStringSet();
      this.#sortedKeys.addAll([...this.#overlay.keys()]);
    }
    const entries: [string, OverlayEntry<R>][] = [];
    for (const key of this.#sortedKeys.eachBefore(before, prefix)) {
      const entry = this.#overlay.get(key)!;
      entries.push([key, entry]);
      if (entry.row?.value !== undefined) break;
    }
    return entries;
  }
}

/** Compares keys in the order of a page. */
function comparerOf({ descending }: Page): (a: string, b: string) => number {
  return descending ? (a, b) => compareIds(b, a) : compareIds;
}

/** A row that never existed. Its position is before all others. */
function absentRow(key: string): Row<never> {
  return { key, value: undefined, position: '' };
}

function sizeOf({ value }: Row<object>, key: string): number {
  return AROUND + 2 * key.length + bytesInMemory(value);
}
