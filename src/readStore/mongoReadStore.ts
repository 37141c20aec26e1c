import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Position } from '../event.ts';
import { StoreUnavailable } from '../storage/storeErrors.ts';
import { MAX_PAGE_CHARS } from '../storage/boundedPage.ts';
import { type Collection, isDuplicateKey, type Mongo } from '../storage/openMongo.ts';
import { keyRange } from './keyRange.ts';
import { mongoRegister, type RegisterState } from './mongoRegister.ts';
import type { LeaseRecord, Page, ReadStore, Row, StoredRow } from './readStore.ts';

/**
 * Where a table is: the collection that readers use, the one that is about to replace it, and the one that it replaced.
 * Commits write to the first two.
 */
type TableLocation = { collection: string; next?: string; former?: string };
/**
 * A row. Its position comes first: MongoDB compares documents field by field, so `$max` keeps the row with the later
 * position. The value is JSON text, because its properties may have any names. A tombstone has no value.
 */
type Document = { _id: string; row: { position: Position; value?: string } };
type Rows = Collection<Document>;
/** The checkpoint of a collection. */
type Checkpoint = { _id: string; position: Position };

/** How long (ms) a reader uses a table's location before it looks it up again. */
const LOCATION_TTL = 500;
/** Rows that are replaced in one request: some compatible servers take long for each. */
const MAX_BULK_SIZE = 25;
/** A commit that takes longer (ms) fails; a retry does not write again what it has written. */
const MAX_COMMIT_DURATION = 4000;
/**
 * A replaced collection is dropped after this delay (ms). A read that took longer checks that the table has not moved.
 */
const DROP_DELAY = 2000;

/**
 * Read models in MongoDB, or a server that speaks its protocol. It needs no transactions, change streams or collations,
 * and no index but that of _id, by which everything is found. A table is a register that names the collection of its
 * rows, so that another collection can replace it in one step.
 */
export function mongoReadStore(mongo: Mongo): ReadStore {
  const locations = mongoRegister<TableLocation>(mongo, 'tables');
  const leases = mongoRegister<LeaseRecord>(mongo, 'leases');
  const checkpoints = () => mongo.collection<Checkpoint>('checkpoints');
  const rowsIn = (collection: string): Rows => mongo.collection<Document>(`rows.${collection}`);
  const cache = new Map<string, { collection: string; at: number }>();

  async function locate(name: string): Promise<RegisterState<TableLocation>> {
    const at = performance.now();
    const state = await locations.read(name);
    if (state.value) cache.set(name, { collection: state.value.collection, at });
    else cache.delete(name);
    return state;
  }

  /** Queries the collection of a table; undefined for a table that does not exist. */
  async function query<T>(name: string, find: (rows: Rows) => Promise<T>): Promise<T | undefined> {
    for (;;) {
      const cached = cache.get(name);
      if (!cached || performance.now() - cached.at >= LOCATION_TTL) await locate(name);
      const location = cache.get(name);
      if (!location) return undefined;
      const { collection, at } = location;
      const result = await mongo.call(() => find(rowsIn(collection)));
      // Otherwise the collection may have been dropped during the read.
      if (performance.now() - at < DROP_DELAY || (await locate(name)).value?.collection === collection)
        return result;
    }
  }

  async function locateOrCreate(name: string): Promise<{ version: number; value: TableLocation }> {
    for (;;) {
      const { version, value } = await locate(name);
      if (value) return { version, value };
      await locations.replace(name, { version }, { collection: `${name}.${randomUUID()}` });
    }
  }

  async function checkpointOf({ collection }: TableLocation): Promise<Position | undefined> {
    // Whoever reads a checkpoint discards what it covers, so no failover may roll it back.
    const options = { readConcern: 'majority' } as const;
    return (await mongo.call(() => checkpoints().findOne({ _id: collection }, options)))?.position;
  }

  async function advanceCheckpoint(_id: string, position: Position): Promise<void> {
    const raise = () => mongo.call(() => checkpoints().updateOne({ _id }, { $max: { position } }));
    if ((await raise()).matchedCount > 0) return;
    await mongo.call(() => checkpoints().insertOne({ _id, position })).catch(rethrowUnlessDuplicate);
    await raise();
  }

  /** Inserts missing rows and replaces older ones. */
  async function putRows(collection: string, rows: Row<object>[]): Promise<void> {
    const stored = rowsIn(collection);
    const startedAt = performance.now();
    const existing = await mongo.call(() => insertMissing(stored, rows.map(toDocument)));
    const newer =
      existing.length > MAX_BULK_SIZE ? await mongo.call(() => newerThanStored(stored, existing)) : existing;
    for (let from = 0; from < newer.length; from += MAX_BULK_SIZE) {
      // By now another process may be writing, and on some compatible servers `$max` is not atomic.
      if (performance.now() - startedAt > MAX_COMMIT_DURATION)
        throw new StoreUnavailable('this process was held up while it wrote');
      const updates = newer
        .slice(from, from + MAX_BULK_SIZE)
        .map(({ _id, row }) => ({ updateOne: { filter: { _id }, update: { $max: { row } } } }));
      await mongo.call(() => stored.bulkWrite(updates, { ordered: false }));
    }
  }

  /**
   * Drops those of a location's collections that no table uses. An interrupted replacement may leave one in two tables.
   */
  async function dropUnusedCollections({ collection, next, former }: TableLocation): Promise<void> {
    const tables = [...(await locations.all()).values()];
    const inUse = new Set(tables.flatMap((table) => [table.collection, table.next]));
    for (const unused of [collection, next, former]) {
      if (unused === undefined || inUse.has(unused)) continue;
      await mongo.drop(`rows.${unused}`);
      await mongo.call(() => checkpoints().deleteOne({ _id: unused }));
    }
  }

  return {
    get: async <Value>(name: string, key: string) => {
      const row = await query(name, (rows) => rows.findOne({ _id: key }));
      return row ? (toRow(row) as Row<Value>) : undefined;
    },
    async list<Value>(name: string, wanted: Page) {
      const { limit, descending } = wanted;
      const { from, isAfter, before } = keyRange(wanted);
      const _id = { [isAfter ? '$gt' : '$gte']: from, $lt: before };
      const filter = { _id, 'row.value': { $exists: true } };
      const found = await query(name, async (stored) => {
        const page: Document[] = [];
        let size = 0;
        const cursor = stored
          .find(filter, { batchSize: limit })
          .sort({ _id: descending ? -1 : 1 })
          .limit(limit);
        for await (const document of cursor) {
          page.push(document);
          if ((size += document.row.value!.length) >= MAX_PAGE_CHARS) break;
        }
        return { rows: page.map(toRow) as StoredRow<Value>[], hasMore: size >= MAX_PAGE_CHARS };
      });
      const { rows = [], hasMore } = found ?? {};
      return { rows, last: hasMore || rows.length === limit ? rows.at(-1)?.key : undefined };
    },
    async commit(name, rows, position) {
      for (let location = await locateOrCreate(name); ;) {
        const { collection, next } = location.value;
        await putRows(collection, rows);
        if (next !== undefined) await putRows(next, rows);
        // Not that of `next`: only the process that builds it knows its checkpoint.
        if (position !== undefined) await advanceCheckpoint(collection, position);
        const { version } = location;
        location = await locateOrCreate(name);
        // Otherwise the table has moved, or is about to, and these rows may be missing in its new collection.
        if (location.version === version) return;
      }
    },
    async checkpoint(name) {
      const { value } = await locate(name);
      return value && checkpointOf(value);
    },
    async tables() {
      const all = [...(await locations.all())];
      const positions = await Promise.all(all.map(([, location]) => checkpointOf(location)));
      return all.map(([name]) => name).filter((_, i) => positions[i] !== undefined);
    },
    async replaceTable(from, to) {
      const draft = await locate(from);
      const position = draft.value && (await checkpointOf(draft.value));
      if (position === undefined) return false;
      const { collection: next } = draft.value!;
      const current = await locate(to);
      if (current.value) {
        const { collection, former } = current.value;
        // From here on, commits write to both collections: what the draft does not lack now, it will not lack later.
        if (!(await locations.replace(to, current, { collection, next, former }))) return false;
        const isBehind = position < ((await checkpointOf({ collection })) ?? '');
        const both = { version: current.version + 1 };
        const result = isBehind ? { collection, former } : { collection: next, former: collection };
        if (!(await locations.replace(to, both, result)) || isBehind) return false;
      } else if (!(await locations.replace(to, current, { collection: next }))) return false;
      await locations.replace(from, draft, undefined);
      for (const name of [from, to]) cache.delete(name);
      if (current.value) {
        await sleep(DROP_DELAY);
        await dropUnusedCollections(current.value);
      }
      return true;
    },
    async dropTable(name) {
      const state = await locate(name);
      if (!state.value || !(await locations.replace(name, state, undefined))) return;
      cache.delete(name);
      await dropUnusedCollections(state.value);
    },
    readLease: async (name) => (await leases.read(name)).value,
    async swapLease(name, { expected, next }) {
      const state = await leases.read(name);
      const current = state.value;
      const isExpected = current?.holder === expected?.holder && current?.counter === expected?.counter;
      return isExpected && leases.replace(name, state, next);
    },
    probe: () => mongo.probe(),
    close: () => mongo.close(),
  };
}

function rethrowUnlessDuplicate(error: unknown): void {
  if (!isDuplicateKey(error)) throw error;
}

/** Inserts the documents that are missing, and returns those that exist (in any version). */
async function insertMissing(stored: Rows, documents: Document[]): Promise<Document[]> {
  if (documents.length === 0) return [];
  try {
    await stored.insertMany(documents, { ordered: false });
    return [];
  } catch (error) {
    rethrowUnlessDuplicate(error);
    const { insertedCount, writeErrors } = error as {
      insertedCount: number;
      writeErrors: { index: number }[];
    };
    if (insertedCount + writeErrors.length < documents.length)
      throw new Error('the server did not go on after a key that was taken', { cause: error });
    return writeErrors.map(({ index }) => documents[index]!);
  }
}

/** Those of the documents that are newer than their stored versions. */
async function newerThanStored(stored: Rows, documents: Document[]): Promise<Document[]> {
  const filter = { _id: { $in: documents.map(({ _id }) => _id) } };
  const versions = await stored.find(filter, { projection: { 'row.position': 1 } }).toArray();
  const positions = new Map(versions.map(({ _id, row }) => [_id, row.position]));
  return documents.filter(({ _id, row }) => row.position > (positions.get(_id) ?? ''));
}

function toDocument({ key, value, position }: Row<object>): Document {
  return { _id: key, row: { position, ...(value !== undefined && { value: JSON.stringify(value) }) } };
}

function toRow({ _id: key, row: { position, value } }: Document): Row<unknown> {
  return { key, position, value: value === undefined ? undefined : (JSON.parse(value) as unknown) };
}
