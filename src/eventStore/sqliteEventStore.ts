import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import type { Event, Metadata, Position, Recorded } from '../event.ts';
import {
  closeSqlite,
  inTransaction,
  parseStored,
  reaching,
  sharedCommits,
  type Sqlite,
  writeProbe,
} from '../storage/openSqlite.ts';
import { firstPart } from '../storage/firstPart.ts';
import { encodeEvent } from './encodeEvent.ts';
import type { EventStore, Revision, Write } from './eventStore.ts';
import { nextRevision, stillToAppend } from './newEvents.ts';
import { countIn, positionOf, UnknownPosition } from './position.ts';
import { logIdIn } from './sqliteLogId.ts';
import { appendSignal } from './appendSignal.ts';

/** Events that a subscriber is given at a time. */
const BATCH = 500;
/** What SQLite takes for no limit. */
const ALL = -1;
/** How often (ms) a subscriber looks for other processes' events when nobody asked for the head of the log. */
const POLL = 50;

/**
 * The events. The schema itself keeps them append-only: they are neither changed nor removed, not even by REPLACE, and each
 * new one takes the next position.
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

/** As lists, rows are read nearly twice as fast as they are as objects. */
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

/** The log in a SQLite file that several processes may share. Changes that come at the same time share a commit. */
export function sqliteEventStore({ db, validate }: { db: Sqlite; validate(event: Event): void }): EventStore {
  const logId = openLog(db);
  const statements = prepare(db);
  const group = sharedCommits<Position>(db);
  const sleeping = appendSignal();
  let newest = 0;
  const readHead = (): number => statements.head.get()!;
  function head(): number {
    db.files.refuseIfGone();
    return reaching(db, readHead);
  }

  function appendNow(writes: Encoded[]): Position {
    const remaining = writes.map((write) => {
      const { stream } = write;
      const revision: Revision = statements.lastRevision.get(stream)?.revision ?? 'none';
      const events = stillToAppend(write, {
        revision,
        idAt: (at) => statements.idAt.get(stream, at)?.id,
        revisionOf: (id) => statements.revisionOf.get(stream, id)?.revision,
      });
      return { ...write, revision, isThere: events.length < write.events.length };
    });
    let position = head();
    let last = 0;
    for (const { stream, revision, events, encoded, isThere } of remaining) {
      events.forEach(({ id, type }, i) => {
        if (isThere) return (last = Math.max(last, statements.positionOf.get(id)!.position));
        const { data, metadata } = encoded[i]!;
        last = position += 1;
        statements.insert.run(position, id, stream, nextRevision(revision) + i, type, data, metadata);
      });
    }
    return positionOf(logId, last || position);
  }

  function recorded([position, id, stream, revision, type, data, metadata]: Row): Recorded {
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

  // A savepoint within the group's transaction: an append that fails halfway leaves nothing behind.
  const appendWhole = db.transaction(appendNow);

  return {
    logId,
    start: positionOf(logId, 0),
    async append(writes, metadata) {
      const encoded = writes.map((write) => encodeWrite(write, { metadata, validate }));
      const position = await group.run(() => appendWhole(encoded));
      sleeping.wake();
      return { position };
    },
    async read(stream, { fromRevision = 0, limit = ALL } = {}) {
      // Asked first: what another process appends between the two is then among the events.
      const last = reaching(db, () => statements.lastRevision.get(stream))?.revision;
      const { part } = reaching(db, () =>
        firstPart(statements.read.iterate(stream, fromRevision, limit), sizeOf),
      );
      const events = part.map((row) => recorded(row));
      const read = events.at(-1)?.revision;
      return { events, revision: read === undefined || read < last! ? (last ?? 'none') : read };
    },
    async readLast(stream) {
      const row = reaching(db, () => statements.readLast.get(stream));
      return row && recorded(row);
    },
    async *subscribe({ after = positionOf(logId, 0), signal }) {
      let count = Number(countIn(after, logId));
      // New events would get positions that have passed already.
      if (count > head()) throw new UnknownPosition(after, logId);
      let wasLive = false;
      while (!signal.aborted) {
        db.files.refuseIfGone();
        const from = count;
        const { part, isCut } = reaching(db, () => firstPart(statements.batch.iterate(from, BATCH), sizeOf));
        count = part.at(-1)?.[0] ?? count;
        const live = part.length < BATCH && !isCut;
        if (part.length > 0 || !wasLive) {
          yield { events: part.map((row) => recorded(row)), position: positionOf(logId, count), live };
        }
        wasLive = live;
        // Reading waits for nothing: without this, nobody else had a turn until the end of the log.
        if (!live) await turnOfTheLoop();
        // Whoever asks for the head meanwhile wakes this up; otherwise a look now and then is enough.
        while (live && !signal.aborted && count >= (newest = Math.max(newest, head())))
          await sleeping.sleep(POLL, signal);
      }
    },
    async head() {
      const position = head();
      if (position > newest) {
        newest = position;
        sleeping.wake();
      }
      return positionOf(logId, position);
    },
    async newest() {
      const row = reaching(db, () => statements.newest.get());
      return row && recorded(row);
    },
    probe: async () => inTransaction(db, () => writeProbe(db)),
    async close() {
      await group.idle();
      closeSqlite(db);
    },
  };
}

type Encoded = Write & { encoded: { data: string; metadata: string }[] };

function encodeWrite(
  write: Write,
  { metadata, validate }: { metadata: Metadata; validate(event: Event): void },
): Encoded {
  const encoded = write.events.map((event) => {
    validate(event);
    return encodeEvent(event, metadata);
  });
  return { ...write, encoded };
}

/** Makes the tables where there are none, and answers the log's name. */
function openLog(db: Sqlite): string {
  return inTransaction(db, () => {
    db.exec(SCHEMA);
    return logIdIn(db);
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
    readLast: db
      .prepare<[string], Row>(`SELECT ${COLUMNS} FROM events WHERE stream = ? ORDER BY revision DESC LIMIT 1`)
      .raw(),
    newest: db.prepare<[], Row>(`SELECT ${COLUMNS} FROM events ORDER BY position DESC LIMIT 1`).raw(),
    batch: db
      .prepare<[number, number], Row>(
        `SELECT ${COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?`,
      )
      .raw(),
  };
}
