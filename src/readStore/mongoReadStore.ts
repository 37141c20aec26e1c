import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Position } from '../event.ts';
import { StoreUnavailable } from '../storage/storeErrors.ts';
import { MAX_PAGE_CHARS } from '../storage/boundedPage.ts';
import { type Collection, isDuplicateKey, type Mongo } from '../storage/openMongo.ts';
import { mongoLeases } from './mongoLeases.ts';
import { mongoRegister, type RegisterState } from './mongoRegister.ts';
import type { Page, ReadStore, Row, StoredRow } from './readStore.ts';

/**
 * Where a table is: the collection of its rows, the one that is about to take its place, and the one that it has left.
 * Whoever commits writes to the first two.
 */
type TableLocation = { collection: string; next?: string; former?: string };
/**
 * A row. Of two of them, servers take the one of the later position for the greater, as that comes first. The value is JSON
 * text: its properties may have any names. A tombstone has none.
 */
type Document = { _id: string; row: { position: Position; value?: string } };
type Rows = Collection<Document>;
/** How far a collection has come. */
type Checkpoint = { _id: string; position: Position };

/** Sorts after everything that UTF-8 can say. */
const MAX_CHARACTER = '\u{10FFFF}';
/** How long (ms) a reader takes a table to be where it found it. */
const LOCATION_TTL = 500;
/** Rows that are replaced in one request: some compatible servers take long for each. */
const MAX_BULK_SIZE = 25;
/** A commit ends within this time (ms); else it fails, and what it wrote is not written again when it is tried again. */
const MAX_COMMIT_DURATION = 4000;
/** A collection that a table has left is dropped this long (ms) afterwards. A read that lasted longer looks where the table is. */
const DROP_DELAY = 2000;

/**
 * Read models in MongoDB, or a server that speaks its protocol: no transactions, change streams or collations are needed,
 * and no index but that of _id, which all is found by. A table is a register that names the collection of its rows, so that
 * another collection takes over in one step.
 */
export function mongoReadStore(mongo: Mongo): ReadStore {
  const locations = mongoRegister<TableLocation>(mongo, 'tables');
  const checkpoints = () => mongo.collection<Checkpoint>('checkpoints');
  const rowsIn = (collection: string): Rows => mongo.collection<Document>(`rows.${collection}`);
  const cache = new Map<string, { collection: string; at: number }>();

  async function locate(name: string): Promise<RegisterState<TableLocation>> {
    const at = performance.now();
    const seen = await locations.read(name);
    if (seen.value) cache.set(name, { collection: seen.value.collection, at });
    else cache.delete(name);
    return seen;
  }

  /** Asks the collection that a table is in; undefined for a table that nobody has made. */
  async function reading<T>(name: string, ask: (rows: Rows) => Promise<T>): Promise<T | undefined> {
    for (;;) {
      const last = cache.get(name);
      if (!last || performance.now() - last.at >= LOCATION_TTL) await locate(name);
      const place = cache.get(name);
      if (!place) return undefined;
      const answer = await mongo.call(() => ask(rowsIn(place.collection)));
      const { collection, at } = place;
      // Else what was asked may have been dropped meanwhile.
      if (performance.now() - at < DROP_DELAY || (await locate(name)).value?.collection === collection)
        return answer;
    }
  }

  async function locateOrCreate(name: string): Promise<{ n: number; value: TableLocation }> {
    for (;;) {
      const { version: n, value } = await locate(name);
      if (value) return { n, value };
      await locations.replace(name, { version: n }, { collection: `${name}.${randomUUID()}` });
    }
  }

  async function checkpointOf({ collection }: TableLocation): Promise<Position | undefined> {
    // Who is told of a checkpoint forgets what it covers: it must be one that no change of primary takes back.
    const asked = { readConcern: 'majority' } as const;
    return (await mongo.call(() => checkpoints().findOne({ _id: collection }, asked)))?.position;
  }

  async function advanceCheckpoint(_id: string, position: Position): Promise<void> {
    const move = () => mongo.call(() => checkpoints().updateOne({ _id }, { $max: { position } }));
    if ((await move()).matchedCount > 0) return;
    await mongo.call(() => checkpoints().insertOne({ _id, position })).catch(rethrowUnlessDuplicate);
    await move();
  }

  /** Writes those rows that are not there, or older: the greater of two versions is the one of the later position. */
  async function putRows(collection: string, rows: Row<object>[]): Promise<void> {
    const all = rowsIn(collection);
    const began = performance.now();
    const taken = await mongo.call(() => insertMissing(all, rows.map(toDocument)));
    const older = taken.length > MAX_BULK_SIZE ? await mongo.call(() => storedOlder(all, taken)) : taken;
    for (let from = 0; from < older.length; from += MAX_BULK_SIZE) {
      // Somebody else may be writing by now, and some compatible servers look and write in two steps.
      if (performance.now() - began > MAX_COMMIT_DURATION)
        throw new StoreUnavailable('this process was held up while it wrote');
      const updates = older
        .slice(from, from + MAX_BULK_SIZE)
        .map(({ _id, row }) => ({ updateOne: { filter: { _id }, update: { $max: { row } } } }));
      await mongo.call(() => all.bulkWrite(updates, { ordered: false }));
    }
  }

  /** Removes collections of rows that no table is in: what was cut off may have left one in two tables. */
  async function dropUnusedCollections({ collection, next, former }: TableLocation): Promise<void> {
    const all = [...(await locations.all()).values()];
    const inUse = new Set(all.flatMap((place) => [place.collection, place.next]));
    for (const left of [collection, next, former]) {
      if (left === undefined || inUse.has(left)) continue;
      await mongo.drop(`rows.${left}`);
      await mongo.call(() => checkpoints().deleteOne({ _id: left }));
    }
  }

  return {
    get: async <Value>(name: string, key: string) => {
      const row = await reading(name, (rows) => rows.findOne({ _id: key }));
      return row ? (toRow(row) as Row<Value>) : undefined;
    },
    async list<Value>(name: string, { prefix = '', after, limit }: Page) {
      const from = after === undefined || after < prefix ? { $gte: prefix } : { $gt: after };
      const within = { _id: { ...from, $lt: prefix + MAX_CHARACTER }, 'row.value': { $exists: true } };
      const found = await reading(name, async (all) => {
        const part: Document[] = [];
        let size = 0;
        for await (const each of all.find(within, { batchSize: limit }).sort({ _id: 1 }).limit(limit)) {
          part.push(each);
          if ((size += each.row.value!.length) >= MAX_PAGE_CHARS) break;
        }
        return { rows: part.map(toRow) as StoredRow<Value>[], hasMore: size >= MAX_PAGE_CHARS };
      });
      const { rows = [], hasMore } = found ?? {};
      return { rows, last: hasMore || rows.length === limit ? rows.at(-1)?.key : undefined };
    },
    async commit(name, rows, position) {
      for (let place = await locateOrCreate(name); ;) {
        const { collection, next } = place.value;
        await putRows(collection, rows);
        if (next !== undefined) await putRows(next, rows);
        // How far `next` has come, only who builds it knows.
        if (position !== undefined) await advanceCheckpoint(collection, position);
        const { n } = place;
        place = await locateOrCreate(name);
        // Else the table is elsewhere, or about to be, and these rows may be missing there.
        if (place.n === n) return;
      }
    },
    async checkpoint(name) {
      const { value } = await locate(name);
      return value && checkpointOf(value);
    },
    async tables() {
      const all = [...(await locations.all())];
      const far = await Promise.all(all.map(([, place]) => checkpointOf(place)));
      return all.map(([name]) => name).filter((_, i) => far[i] !== undefined);
    },
    async replaceTable(from, to) {
      const draft = await locate(from);
      const come = draft.value && (await checkpointOf(draft.value));
      if (come === undefined) return false;
      const { collection: next } = draft.value!;
      const current = await locate(to);
      if (current.value) {
        const { collection, former } = current.value;
        // From here on, everything is written to both: what the draft lacks now, it lacks for good.
        if (!(await locations.replace(to, current, { collection, next, former }))) return false;
        const isBehind = come < ((await checkpointOf({ collection })) ?? '');
        const both = { version: current.version + 1 };
        const then = isBehind ? { collection, former } : { collection: next, former: collection };
        if (!(await locations.replace(to, both, then)) || isBehind) return false;
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
      const seen = await locate(name);
      if (!seen.value || !(await locations.replace(name, seen, undefined))) return;
      cache.delete(name);
      await dropUnusedCollections(seen.value);
    },
    ...mongoLeases(mongo),
    probe: () => mongo.probe(),
    close: () => mongo.close(),
  };
}

function rethrowUnlessDuplicate(error: unknown): void {
  if (!isDuplicateKey(error)) throw error;
}

/** Inserts what is not there, and answers what is. */
async function insertMissing(all: Rows, documents: Document[]): Promise<Document[]> {
  if (documents.length === 0) return [];
  try {
    await all.insertMany(documents, { ordered: false });
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

/** Those of the documents that are there in an older version. */
async function storedOlder(all: Rows, documents: Document[]): Promise<Document[]> {
  const within = { _id: { $in: documents.map(({ _id }) => _id) } };
  const there = await all.find(within, { projection: { 'row.position': 1 } }).toArray();
  const positions = new Map(there.map(({ _id, row }) => [_id, row.position]));
  return documents.filter(({ _id, row }) => row.position > (positions.get(_id) ?? ''));
}

function toDocument({ key, value, position }: Row<object>): Document {
  return { _id: key, row: { position, ...(value !== undefined && { value: JSON.stringify(value) }) } };
}

function toRow({ _id: key, row: { position, value } }: Document): Row<unknown> {
  return { key, position, value: value === undefined ? undefined : (JSON.parse(value) as unknown) };
}
