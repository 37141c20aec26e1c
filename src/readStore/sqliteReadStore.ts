import type { Position } from '../event.ts';
import {
  closeSqlite,
  disableBusyWait,
  parseStored,
  translatingErrors,
  type Sqlite,
  inTransactionWhenUnlocked,
  writeProbe,
} from '../storage/openSqlite.ts';
import { boundedPage } from '../storage/boundedPage.ts';
import { keyRange } from './keyRange.ts';
import type { LeaseRecord, Page, ReadStore, Row, StoredRow } from './readStore.ts';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS checkpoints (name TEXT PRIMARY KEY, position TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, counter INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

type StoredColumns = { key: string; value: string | null; position: Position };

/**
 * Read models in a SQLite file that several processes may share. Rows and checkpoint are written in one transaction.
 */
export function sqliteReadStore({ db }: { db: Sqlite }): ReadStore {
  translatingErrors(db, () => db.exec(SCHEMA));
  disableBusyWait(db);
  const checkpointOf = db.prepare<[string], { position: Position }>(
    'SELECT position FROM checkpoints WHERE name = ?',
  );
  const setCheckpoint = db.prepare<[string, Position]>(
    `INSERT INTO checkpoints VALUES (?, ?)
      ON CONFLICT (name) DO UPDATE SET position = excluded.position WHERE excluded.position > position`,
  );
  const allNames = db.prepare<[], { name: string }>('SELECT name FROM checkpoints ORDER BY name');
  const forgetCheckpoint = db.prepare<[string]>('DELETE FROM checkpoints WHERE name = ?');
  const leaseOf = db.prepare<[string], LeaseRecord>('SELECT holder, counter FROM leases WHERE name = ?');
  const statements = new Map<string, ReturnType<typeof prepareTable>>();

  /** The prepared statements of a table; undefined if it does not exist. */
  function statementsFor(name: string): ReturnType<typeof prepareTable> | undefined {
    const known = statements.get(name);
    if (known) return known;
    const exists = db
      .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?")
      .get(`table ${name}`);
    if (!exists) return undefined;
    const prepared = prepareTable(db, quotedTableName(name));
    statements.set(name, prepared);
    return prepared;
  }

  /** Runs a query on a table, which another process may have removed since its statement was prepared. */
  function reading<T>(name: string, read: (prepared: ReturnType<typeof prepareTable>) => T): T | undefined {
    const prepared = translatingErrors(db, () => statementsFor(name));
    if (!prepared) return undefined;
    try {
      return translatingErrors(db, () => read(prepared));
    } catch (error) {
      if (!/no such table/.test((error as Error).message)) throw error;
      statements.delete(name);
      return undefined;
    }
  }

  function toRow({ key, value, position }: StoredColumns): Row<unknown> {
    return { key, value: value === null ? undefined : parseStored(db, value), position };
  }

  function dropNow(name: string): void {
    db.exec(`DROP TABLE IF EXISTS ${quotedTableName(name)}`);
    forgetCheckpoint.run(name);
    statements.delete(name);
  }

  return {
    async get<Value>(name: string, key: string) {
      const row = reading(name, ({ get }) => get.get(key));
      return row && (toRow(row) as Row<Value>);
    },
    async list<Value>(name: string, wanted: Page) {
      const { limit, descending } = wanted;
      const { from, isAfter, before } = keyRange(wanted);
      const { page = [], hasMore } =
        reading(name, (prepared) => {
          const select = descending ? prepared.descending : isAfter ? prepared.after : prepared.ascending;
          return boundedPage(select.iterate(from, before, limit), ({ value }) => value!.length);
        }) ?? {};
      const rows = page.map(toRow) as StoredRow<Value>[];
      return { rows, last: hasMore || rows.length === limit ? rows.at(-1)?.key : undefined };
    },
    async commit(name, rows, position) {
      try {
        await inTransactionWhenUnlocked(db, () => {
          if (!statementsFor(name))
            db.exec(`CREATE TABLE IF NOT EXISTS ${quotedTableName(name)} (${COLUMNS}) STRICT, WITHOUT ROWID`);
          const { put, putMany } = statementsFor(name)!;
          const inMany = rows.length - (rows.length % ROWS_PER_STATEMENT);
          for (let from = 0; from < inMany; from += ROWS_PER_STATEMENT)
            putMany.run(rows.slice(from, from + ROWS_PER_STATEMENT).flatMap(toColumns));
          for (const row of rows.slice(inMany)) put.run(toColumns(row));
          if (position !== undefined) setCheckpoint.run(name, position);
        });
      } catch (error) {
        // Statements may be of a table whose creation was rolled back, or that another process has removed.
        statements.delete(name);
        throw error;
      }
    },
    checkpoint: async (name) => translatingErrors(db, () => checkpointOf.get(name))?.position,
    async tables() {
      return translatingErrors(db, () => allNames.all()).map(({ name }) => name);
    },
    async replaceTable(from, to) {
      return inTransactionWhenUnlocked(db, () => {
        const [next, current] = [checkpointOf.get(from)?.position, checkpointOf.get(to)?.position];
        if (next === undefined || (current !== undefined && next < current)) return false;
        dropNow(to);
        db.exec(`ALTER TABLE ${quotedTableName(from)} RENAME TO ${quotedTableName(to)}`);
        setCheckpoint.run(to, next);
        forgetCheckpoint.run(from);
        statements.delete(from);
        return true;
      });
    },
    async dropTable(name) {
      await inTransactionWhenUnlocked(db, () => dropNow(name));
    },
    readLease: async (name) => translatingErrors(db, () => leaseOf.get(name)),
    async swapLease(name, { expected, next }) {
      return inTransactionWhenUnlocked(db, () => {
        const current = leaseOf.get(name);
        if (current?.holder !== expected?.holder || current?.counter !== expected?.counter) return false;
        db.prepare('DELETE FROM leases WHERE name = ?').run(name);
        if (next) db.prepare('INSERT INTO leases VALUES (?, ?, ?)').run(name, next.holder, next.counter);
        return true;
      });
    },
    probe: () => inTransactionWhenUnlocked(db, () => writeProbe(db)),
    async close() {
      closeSqlite(db);
    },
  };
}

const COLUMNS = 'key TEXT PRIMARY KEY, value TEXT, position TEXT NOT NULL';
/** Rows that one statement writes, where there are as many: each then costs half as much as with one of its own. */
const ROWS_PER_STATEMENT = 20;

type Columns = [key: string, value: string | null, position: Position];

function toColumns({ key, value, position }: Row<object>): Columns {
  return [key, value === undefined ? null : JSON.stringify(value), position];
}

function prepareTable(db: Sqlite, name: string) {
  const select = `SELECT key, value, position FROM ${name} WHERE`;
  const prepareList = (from: string, order: string) =>
    db.prepare<[string, string, number], StoredColumns>(
      `${select} ${from} AND key < ? AND value IS NOT NULL ORDER BY ${order} LIMIT ?`,
    );
  const preparePut = (rows: number) =>
    db.prepare<[(string | null)[]]>(
      `INSERT INTO ${name} VALUES ${Array<string>(rows).fill('(?, ?, ?)').join(', ')}
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, position = excluded.position
        WHERE excluded.position > position`,
    );
  return {
    get: db.prepare<[string], StoredColumns>(`${select} key = ?`),
    ascending: prepareList('key >= ?', 'key'),
    after: prepareList('key > ?', 'key'),
    descending: prepareList('key >= ?', 'key DESC'),
    put: preparePut(1),
    putMany: preparePut(ROWS_PER_STATEMENT),
  };
}

/** The SQL name of a table of rows. The prefix keeps it apart from this adapter's own tables. */
function quotedTableName(name: string): string {
  return `"table ${name.replaceAll('"', '""')}"`;
}
