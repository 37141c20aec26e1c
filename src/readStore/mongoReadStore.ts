import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Position } from '../event.ts';
import { isTaken, type Mongo, reaching } from '../openMongo.ts';
import { mongoLeases } from './mongoLeases.ts';
import type { Page, ReadStore, Row, StoredRow } from './readStore.ts';

/** A table: the collection that holds its rows now, and the one that held them before. */
type Table = { _id: string; collection: string; former?: string; checkpoint?: Position };
/** A row. The value is JSON text: its properties may have any names. A tombstone has none. */
type Document = { _id: string; position: Position; value?: string };

/** Sorts after everything that UTF-8 can say. */
const LAST = '\u{10FFFF}';
/** How long (ms) a reader takes a table to be where it found it. */
const KNOWN_FOR = 1000;
/** A collection that a table has left is dropped this long (ms) afterwards: nobody reads it any more by then. */
const GRACE = 3 * KNOWN_FOR;

/**
 * Read models in MongoDB, or a server that speaks its protocol: no transactions, change streams or collations are needed.
 * A table is a document that names the collection of its rows, so that another collection takes over in one step.
 */
export function mongoReadStore(mongo: Mongo): ReadStore {
  const tables = mongo.collection<Table>('tables');
  const rowsIn = (collection: string) => mongo.collection<Document>(`rows.${collection}`);
  const known = new Map<string, { collection: string | undefined; at: number }>();

  async function look(name: string): Promise<Table | undefined> {
    const at = performance.now();
    const table = (await reaching(() => tables.findOne({ _id: name }))) ?? undefined;
    known.set(name, { collection: table?.collection, at });
    return table;
  }

  async function collectionOf(name: string): Promise<string | undefined> {
    const last = known.get(name);
    if (last?.collection !== undefined && performance.now() - last.at < KNOWN_FOR) return last.collection;
    return (await look(name))?.collection;
  }

  async function made(name: string): Promise<Table> {
    const found = await look(name);
    if (found) return found;
    await reaching(() => tables.insertOne({ _id: name, collection: `${name}.${randomUUID()}` })).catch(
      refuseUnlessTaken,
    );
    return (await look(name))!;
  }

  async function putRows(collection: string, rows: Row<object>[]): Promise<void> {
    const all = rowsIn(collection);
    for (let rest = rows; rest.length > 0;) {
      const ids = rest.map(({ key }) => key);
      const there = await reaching(() =>
        all.find({ _id: { $in: ids } }, { projection: { value: 0 } }).toArray(),
      );
      const positions = new Map(there.map(({ _id, position }) => [_id, position]));
      const older = rest.filter(({ key, position }) => (positions.get(key) ?? position) < position);
      if (older.length > 0) await reaching(() => all.bulkWrite(older.map(update), { ordered: false }));
      const missing = rest.filter(({ key }) => !positions.has(key));
      if (missing.length === 0) return;
      // Compatible servers may stop at the first key that is taken: whoever took it, the rest is looked at again.
      const taken = await reaching(() => all.insertMany(missing.map(document), { ordered: false })).then(
        () => false,
        (error: unknown) => (refuseUnlessTaken(error), true),
      );
      rest = taken ? missing : [];
    }
  }

  async function dropRows(collection: string, except: string): Promise<void> {
    if (await reaching(() => tables.findOne({ collection, _id: { $ne: except } }))) return;
    await reaching(() => rowsIn(collection).drop());
  }

  async function dropTable(name: string): Promise<void> {
    const table = await look(name);
    if (!table) return;
    await reaching(() => tables.deleteOne({ _id: name, collection: table.collection }));
    known.delete(name);
    for (const collection of [table.collection, table.former])
      if (collection !== undefined) await dropRows(collection, name);
  }

  return {
    async get<Value>(name: string, key: string) {
      const collection = await collectionOf(name);
      if (collection === undefined) return undefined;
      const row = await reaching(() => rowsIn(collection).findOne({ _id: key }));
      return row ? (parsed(row) as Row<Value>) : undefined;
    },
    async list<Value>(name: string, { prefix = '', after, limit }: Page) {
      const collection = await collectionOf(name);
      if (collection === undefined) return [];
      const from = after === undefined || after < prefix ? { $gte: prefix } : { $gt: after };
      const rows = await reaching(() =>
        rowsIn(collection)
          .find({ _id: { ...from, $lt: prefix + LAST }, value: { $exists: true } })
          .sort({ _id: 1 })
          .limit(limit)
          .toArray(),
      );
      return rows.map(parsed) as StoredRow<Value>[];
    },
    async commit(name, rows, position) {
      for (;;) {
        const { collection } = await made(name);
        await putRows(collection, rows);
        const isStill = { _id: name, collection };
        const { matchedCount } = await reaching(() =>
          tables.updateOne(
            isStill,
            position === undefined ? { $set: { collection } } : { $max: { checkpoint: position } },
          ),
        );
        // Else another collection has taken over meanwhile, and lacks these rows.
        if (matchedCount > 0) return;
      }
    },
    checkpoint: async (name) => (await look(name))?.checkpoint,
    async tables() {
      const all = await reaching(() =>
        tables
          .find({ checkpoint: { $exists: true } })
          .sort({ _id: 1 })
          .toArray(),
      );
      return all.map(({ _id }) => _id);
    },
    async replaceTable(from, to) {
      const [next, current] = [await look(from), await look(to)];
      if (next?.checkpoint === undefined) return false;
      if (current?.checkpoint !== undefined && next.checkpoint < current.checkpoint) return false;
      if (current?.former !== undefined) await dropRows(current.former, to);
      const { collection, checkpoint } = next;
      if (current) {
        const former = current.collection;
        const asItWas = current.checkpoint === undefined ? { $exists: false } : current.checkpoint;
        const { matchedCount } = await reaching(() =>
          tables.updateOne(
            { _id: to, collection: former, checkpoint: asItWas as Position },
            { $set: { collection, checkpoint, former } },
          ),
        );
        if (matchedCount === 0) return false;
      } else await reaching(() => tables.insertOne({ _id: to, collection, checkpoint }));
      await reaching(() => tables.deleteOne({ _id: from, collection }));
      for (const name of [from, to]) known.delete(name);
      if (current) {
        await sleep(GRACE);
        await dropRows(current.collection, to);
      }
      return true;
    },
    dropTable,
    ...mongoLeases(mongo),
    close: () => mongo.close(),
  };
}

function refuseUnlessTaken(error: unknown): void {
  if (!isTaken(error)) throw error;
}

function document({ key, value, position }: Row<object>): Document {
  return { _id: key, position, ...(value !== undefined && { value: JSON.stringify(value) }) };
}

/** Of a row that is there, if it is older. */
function update({ key, value, position }: Row<object>) {
  const change =
    value === undefined
      ? { $set: { position }, $unset: { value: '' as const } }
      : { $set: { position, value: JSON.stringify(value) } };
  return { updateOne: { filter: { _id: key, position: { $lt: position } }, update: change } };
}

function parsed({ _id: key, position, value }: Document): Row<unknown> {
  return { key, position, value: value === undefined ? undefined : (JSON.parse(value) as unknown) };
}
