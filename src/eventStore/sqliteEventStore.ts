import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Event, Metadata, Position, Recorded } from '../event.ts';
import {
  closeSqlite,
  inTransaction,
  parseStored,
  translatingErrors,
  sqliteGroupCommit,
  type Sqlite,
  writeProbe,
} from '../storage/openSqlite.ts';
import { boundedPage } from '../storage/boundedPage.ts';
import { encodeWrites } from './encodeEvent.ts';
import { type EventStore, nextRevision, type Revision } from './eventStore.ts';
import { eventsToAppend } from './eventsToAppend.ts';
import { countIn, positionOf, UnknownPosition } from './position.ts';
import { getOrCreateLogId } from './sqliteLogId.ts';
import { appendSignal } from './appendSignal.ts';

/** Events in one batch. */
const MAX_BATCH_SIZE = 500;
/** SQLite's value for no LIMIT. */
const NO_LIMIT = -1;
/** How often (ms) a subscriber looks for other processes' events when nobody reads the head of the log. */
const POLL_INTERVAL = 50;

/**
 * The events. The schema itself keeps the table append-only: rows are neither updated nor deleted, not even by REPLACE,
 * and each new one takes the next position.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    UNIQUE (stream, revision)
  ) STRICT;
  CREATE TRIGGER IF NOT EXISTS events_are_not_changed BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
  CREATE TRIGGER IF NOT EXISTS events_are_not_removed BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are never removed'); END;
  CREATE TRIGGER IF NOT EXISTS events_come_at_the_end BEFORE INSERT ON events
    WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM events)
      OR EXISTS (SELECT 1 FROM events WHERE id = NEW.id)
      OR EXISTS (SELECT 1 FROM events WHERE stream = NEW.stream AND revision = NEW.revision)
    BEGIN SELECT RAISE(ABORT, 'events are only added at the end of the log'); END;
`;

/** Rows as arrays: they are read nearly twice as fast as objects. */
type Row = [
  position: number,
  id: string,
  stream: string,
  revision: number,
  type: string,
  data: string,
  metadata: string,
];
const sizeOf = ([, , , , , data, metadata]: Row): number => data.length + metadata.length;
const COLUMNS = 'position, id, stream, revision, type, data, metadata';

/** The log in a SQLite file that several processes may share. Concurrent appends share a commit. */
export function sqliteEventStore({ db, validate }: { db: Sqlite; validate(event: Event): void }): EventStore {
  const logId = openLog(db);
  const statements = prepare(db);
  const group = sqliteGroupCommit<Position>(db);
  const appends = appendSignal();
  let newestSeen = 0;
  const readHead = (): number => statements.head.get()!;
  function head(): number {
    db.files.refuseIfGone();
    return translatingErrors(db, readHead);
  }

  function appendNow(writes: ReturnType<typeof encodeWrites>): Position {
    const plans = writes.map((write) => {
      const { stream } = write;
      const revision: Revision = statements.lastRevision.get(stream)?.revision ?? 'none';
      const events = eventsToAppend(write, {
        revision,
        idAt: (at) => statements.idAt.get(stream, at)?.id,
        revisionOf: (id) => statements.revisionOf.get(stream, id)?.revision,
      });
      return { ...write, revision, isDuplicate: events.length < write.events.length };
    });
    let position = head();
    let last = 0;
    for (const { stream, revision, events, encoded, isDuplicate } of plans) {
      events.forEach(({ id, type }, i) => {
        if (isDuplicate) return (last = Math.max(last, statements.positionOf.get(id)!.position));
        const { data, metadata } = encoded[i]!;
        last = position += 1;
        statements.insert.run(position, id, stream, nextRevision(revision) + i, type, data, metadata);
      });
    }
    return positionOf(logId, last || position);
  }

  function toRecorded([position, id, stream, revision, type, data, metadata]: Row): Recorded {
    return {
      id,
      stream,
      revision,
      type,
      data: parseStored(db, data),
      metadata: parseStored(db, metadata) as Metadata,
      position: positionOf(logId, position),
    };
  }

  // A savepoint within the group's transaction: a failed append is rolled back alone.
  const appendAtomically = db.transaction(appendNow);

  return {
    logId,
    start: positionOf(logId, 0),
    async append(writes, metadata) {
      const encoded = encodeWrites(writes, { metadata, validate });
      const position = await group.run(() => appendAtomically(encoded));
      appends.notify();
      return { position };
    },
    async read(stream, { fromRevision = 0, limit = NO_LIMIT } = {}) {
      // Read before the events: what another process appends in between is then among them.
      const last = translatingErrors(db, () => statements.lastRevision.get(stream))?.revision;
      const { page } = translatingErrors(db, () =>
        boundedPage(statements.read.iterate(stream, fromRevision, limit), sizeOf),
      );
      const events = page.map((row) => toRecorded(row));
      const lastRead = events.at(-1)?.revision;
      return { events, revision: lastRead === undefined || lastRead < last! ? (last ?? 'none') : lastRead };
    },
    async readUpTo(stream, { upTo, fromRevision = 0, limit }) {
      const last = Number(countIn(upTo, logId));
      const { page, hasMore } = translatingErrors(db, () =>
        boundedPage(statements.readUpTo.iterate(stream, fromRevision, last, limit), sizeOf),
      );
      return { events: page.map((row) => toRecorded(row)), reachesEnd: !hasMore && page.length < limit };
    },
    async readBackwards(stream, { beforeRevision = Number.MAX_SAFE_INTEGER, limit }) {
      const { page } = translatingErrors(db, () =>
        boundedPage(statements.readBackwards.iterate(stream, beforeRevision, limit), sizeOf),
      );
      const events = page.map((row) => toRecorded(row));
      return { events, reachesStart: (events.at(-1)?.revision ?? 0) === 0 };
    },
    async readLogBackwards({ before, limit }) {
      const end = before === undefined ? Number.MAX_SAFE_INTEGER : Number(countIn(before, logId));
      const { page } = translatingErrors(db, () =>
        boundedPage(statements.readLogBackwards.iterate(end, limit), sizeOf),
      );
      const events = page.map((row) => toRecorded(row));
      // Positions count the events, from 1.
      return { events, reachesStart: (page.at(-1)?.[0] ?? 1) === 1 };
    },
    async readLast(stream) {
      const row = translatingErrors(db, () => statements.readLast.get(stream));
      return row && toRecorded(row);
    },
    async *subscribe({ after = positionOf(logId, 0), signal }) {
      let count = Number(countIn(after, logId));
      // New events would get positions that this subscriber has already passed.
      if (count > head()) throw new UnknownPosition(after, logId);
      let wasLive = false;
      while (!signal.aborted) {
        db.files.refuseIfGone();
        const from = count;
        const { page, hasMore } = translatingErrors(db, () =>
          boundedPage(statements.batch.iterate(from, MAX_BATCH_SIZE), sizeOf),
        );
        count = page.at(-1)?.[0] ?? count;
        const live = page.length < MAX_BATCH_SIZE && !hasMore;
        if (page.length > 0 || !wasLive) {
          yield { events: page.map((row) => toRecorded(row)), position: positionOf(logId, count), live };
        }
        wasLive = live;
        // Reads are synchronous: without this, nothing else would run until the end of the log is reached.
        if (!live) await yieldToEventLoop();
        // A call of `head` that finds new events wakes this up; otherwise polling now and then is enough.
        while (live && !signal.aborted && count >= (newestSeen = Math.max(newestSeen, head())))
          await appends.wait(POLL_INTERVAL, signal);
      }
    },
    async head() {
      const position = head();
      if (position > newestSeen) {
        newestSeen = position;
        appends.notify();
      }
      return positionOf(logId, position);
    },
    async newest() {
      const row = translatingErrors(db, () => statements.newest.get());
      return row && toRecorded(row);
    },
    async eventAt(position) {
      const count = Number(countIn(position, logId));
      const row = translatingErrors(db, () => statements.eventAt.get(count));
      return row && toRecorded(row);
    },
    probe: async () => inTransaction(db, () => writeProbe(db)),
    async close() {
      await group.idle();
      closeSqlite(db);
    },
  };
}

/** Creates missing tables and returns the log's id. */
function openLog(db: Sqlite): string {
  return inTransaction(db, () => {
    db.exec(SCHEMA);
    return getOrCreateLogId(db);
  });
}

function prepare(db: Sqlite) {
  return {
    head: db.prepare<[], number>('SELECT coalesce(max(position), 0) FROM events').pluck(),
    insert: db.prepare<[number, string, string, number, string, string, string]>(
      'INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    lastRevision: db.prepare<[string], { revision: number }>(
      'SELECT revision FROM events WHERE stream = ? ORDER BY revision DESC LIMIT 1',
    ),
    idAt: db.prepare<[string, number], { id: string }>(
      'SELECT id FROM events WHERE stream = ? AND revision = ?',
    ),
    revisionOf: db.prepare<[string, string], { revision: number }>(
      'SELECT revision FROM events WHERE stream = ? AND id = ?',
    ),
    positionOf: db.prepare<[string], { position: number }>('SELECT position FROM events WHERE id = ?'),
    read: db
      .prepare<[string, number, number], Row>(
        `SELECT ${COLUMNS} FROM events WHERE stream = ? AND revision >= ? ORDER BY revision LIMIT ?`,
      )
      .raw(),
    // Positions are in the index of the streams, so that later events are not looked up.
    readUpTo: db
      .prepare<[string, number, number, number], Row>(
        `SELECT ${COLUMNS} FROM events WHERE stream = ? AND revision >= ? AND position <= ? ORDER BY revision LIMIT ?`,
      )
      .raw(),
    readBackwards: db
      .prepare<[string, number, number], Row>(
        `SELECT ${COLUMNS} FROM events WHERE stream = ? AND revision < ? ORDER BY revision DESC LIMIT ?`,
      )
      .raw(),
    readLogBackwards: db
      .prepare<[number, number], Row>(
        `SELECT ${COLUMNS} FROM events WHERE position < ? ORDER BY position DESC LIMIT ?`,
      )
      .raw(),
    readLast: db
      .prepare<[string], Row>(`SELECT ${COLUMNS} FROM events WHERE stream = ? ORDER BY revision DESC LIMIT 1`)
      .raw(),
    newest: db.prepare<[], Row>(`SELECT ${COLUMNS} FROM events ORDER BY position DESC LIMIT 1`).raw(),
    eventAt: db.prepare<[number], Row>(`SELECT ${COLUMNS} FROM events WHERE position = ?`).raw(),
    batch: db
      .prepare<[number, number], Row>(
        `SELECT ${COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?`,
      )
      .raw(),
  };
}
