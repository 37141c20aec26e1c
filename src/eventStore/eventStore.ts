import type { Event, Metadata, NewEvent, Position, Recorded } from '../event.ts';

/**
 * The log. Every adapter passes test/contracts/eventStore.ts. Adapters return events as they are stored; upcasting.ts
 * converts those of earlier releases to today's form.
 *
 * - The store assigns positions in commit order: never from clocks, never reused.
 * - Append-only: a stream is never deleted, truncated or tombstoned.
 * - Errors of this port: WrongExpectedRevision, EventTooLarge, InvalidEvent, StoreUnavailable, OutcomeUnknown. Any
 *   other error is the driver's own.
 */
export type EventStore = {
  /** Identifies this log in its positions: 12 lower-case hexadecimal digits, generated when the log is created. */
  logId: string;

  /**
   * Appends to several streams, all or nothing. Durable when it resolves; the position is that of the last event.
   * Idempotent by event id: if the events after a write's expected revision already have these ids (the reply to an
   * earlier try was lost), it resolves with their position. Throws WrongExpectedRevision naming the stream,
   * InvalidEvent if data does not match its schema, EventTooLarge (before anything is sent, unless only the server has
   * such a limit), or OutcomeUnknown: only then the events may or may not have been appended.
   */
  append(writes: Write[], metadata: Metadata): Promise<{ position: Position }>;

  /**
   * A stream's events from a revision on (default 0), at most `limit` of them, and the stream's last revision ('none'
   * if it has no event). Of large events it may return fewer, but at least one: read on until the last revision is
   * reached.
   */
  read(
    stream: string,
    options?: { fromRevision?: number; limit?: number },
  ): Promise<{ events: Recorded[]; revision: Revision }>;

  /**
   * A stream's events up to a position, from a revision on (default 0), at most `limit` of them, without reading later
   * ones where the store can. Of large events it may return fewer, but at least one. `reachesEnd` means that there are no
   * more; the last page may be empty. Throws UnknownPosition if `upTo` belongs to another log.
   */
  readUpTo(
    stream: string,
    options: { upTo: Position; fromRevision?: number; limit: number },
  ): Promise<{ events: Recorded[]; reachesEnd: boolean }>;

  /**
   * A stream's events before the revision of one of them, or of the next one (default: all), newest first, at most
   * `limit` of them. Of large events it may return fewer, but at least one.
   */
  readBackwards(
    stream: string,
    options: { beforeRevision?: number | undefined; limit: number },
  ): Promise<BackwardsPage>;

  /**
   * The events of the log before a position (default: all), newest first, at most `limit` of them. Of large events it may
   * return fewer, but at least one. Throws UnknownPosition if `before` belongs to another log.
   */
  readLogBackwards(options: { before?: Position | undefined; limit: number }): Promise<BackwardsPage>;

  /** The last event of a stream; undefined if it has none. */
  readLast(stream: string): Promise<Recorded | undefined>;

  /**
   * All events after a position (default: the beginning) in log order, each exactly once, until the signal aborts,
   * which ends the iteration without an error. The next batch is not read until the consumer asks for it. `live` means
   * that the batch reaches the end of the log; if there is nothing (more) to read there, an empty live batch is
   * yielded. `position` is that of the last event seen. Throws UnknownPosition if `after` belongs to another log.
   */
  subscribe(options: { after?: Position; signal: AbortSignal }): AsyncIterable<Batch>;

  /** The position of the last event in the log, appended by any process; `start` if the log is empty. */
  head(): Promise<Position>;

  /** The last event in the log, appended by any process; undefined if the log is empty. */
  newest(): Promise<Recorded | undefined>;

  /** The event at a position; undefined if there is none. Throws UnknownPosition for a position of another log. */
  eventAt(position: Position): Promise<Recorded | undefined>;

  /** The position before the first event. */
  start: Position;

  /**
   * Checks that the store can be written to: durably writes about as much as a usual change, apart from the log and
   * over the previous probe. If nothing can be written apart from the log, it reads the head. Throws as a write does.
   */
  probe(): Promise<void>;

  close(): Promise<void>;
};

/** A stream's last revision: the first event has revision 0. */
export type Revision = number | 'none';

/** The revision of the next event in a stream. */
export function nextRevision(revision: Revision): number {
  return revision === 'none' ? 0 : revision + 1;
}
export type Write<E extends Event = Event> = {
  stream: string;
  expectedRevision: Revision | 'any';
  events: NewEvent<E>[];
};
export type Batch = { events: Recorded[]; position: Position; live: boolean };
/** Events, newest first, and whether there is nothing before them. */
export type BackwardsPage = { events: Recorded[]; reachesStart: boolean };

/** Another change to the stream came first: read it again and decide anew. */
export class WrongExpectedRevision extends Error {
  stream: string;
  expected: Write['expectedRevision'];
  actual: Revision;
  constructor(
    stream: string,
    { expected, actual }: { expected: Write['expectedRevision']; actual: Revision },
  ) {
    super(`stream ${stream} is at revision ${actual}, not at ${expected} as expected`);
    this.stream = stream;
    this.expected = expected;
    this.actual = actual;
  }
}

/**
 * An event larger than MAX_EVENT_BYTES, an append larger than MAX_APPEND_BYTES, or either larger than the server takes.
 */
export class EventTooLarge extends Error {}

/** An event of unknown type, or whose data does not match its schema: a bug of ours, never a caller's mistake. */
export class InvalidEvent extends Error {}
