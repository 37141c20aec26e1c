import type { Event, Metadata, NewEvent, Position, Recorded } from '../event.ts';

/**
 * The log. Every adapter passes test/contracts/eventStore.ts, and gives events as they are stored; upcasting.ts reads those of
 * earlier releases as today's.
 *
 * - Positions are given by the store in commit order: never by clocks, never reused.
 * - Append-only: a stream is never deleted, truncated or tombstoned.
 * - Errors of ours: WrongExpectedRevision, EventTooLarge, InvalidEvent, StoreUnavailable, OutcomeUnknown; anything else
 *   is the driver's own.
 */
export type EventStore = {
  /** Names this log in its positions: 12 lower-case hexadecimal digits, made when the log is. */
  logId: string;

  /**
   * Appends to several streams at once, all or nothing; durable when it resolves, with the position of the last event.
   * Idempotent by event id: when the events after a write's expected revision already bear these ids (the reply to a
   * first try was lost), it resolves with their position.
   * Throws WrongExpectedRevision naming the stream; InvalidEvent when data does not match its schema; EventTooLarge;
   * OutcomeUnknown, and only then the events may have been appended or not.
   */
  append(writes: Write[], metadata: Metadata): Promise<{ position: Position }>;

  /**
   * A stream's events from a revision on (0 when left out), at most `limit` of them, and the stream's last revision: 'none' while
   * it has no event. Of events that are large it may answer fewer, but at least one: go on until the last revision is reached.
   */
  read(
    stream: string,
    options?: { fromRevision?: number; limit?: number },
  ): Promise<{ events: Recorded[]; revision: Revision }>;

  /** The last event of a stream; undefined while it has none. */
  readLast(stream: string): Promise<Recorded | undefined>;

  /**
   * All events after a position (from the beginning without one) in log order, each once, never skipping one, forever
   * until the signal aborts, which ends the iteration without an error. The next batch is not read until this one was
   * handled. `live` says that the batch reached the end of the log; an empty live batch is yielded once the end is
   * reached with nothing (more) to read. `position` is that of the last event seen. Throws UnknownPosition when `after` is
   * another log's.
   */
  subscribe(options: { after?: Position; signal: AbortSignal }): AsyncIterable<Batch>;

  /** The position of the last event in the log, whoever appended it; `start` while the log is empty. */
  head(): Promise<Position>;

  /** The last event in the log, whoever appended it; undefined while the log is empty. */
  newest(): Promise<Recorded | undefined>;

  /** The position before the first event. */
  start: Position;

  /**
   * Tries whether the store can be written to: durably writes about as much as a usual change, beside what the store keeps and over
   * what the last try wrote. Where nothing can be written beside the log, it asks for the end of it. Throws as writing does.
   */
  probe(): Promise<void>;

  close(): Promise<void>;
};

export type Revision = number | 'none';
export type Write<E extends Event = Event> = {
  stream: string;
  expectedRevision: Revision | 'any';
  events: NewEvent<E>[];
};
export type Batch = { events: Recorded[]; position: Position; live: boolean };

/** Somebody else's change came first: read again and decide anew. */
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

/** An event larger than MAX_EVENT_BYTES. */
export class EventTooLarge extends Error {}

/** An event of unknown type, or whose data does not match its schema: our own bug, never a caller's. */
export class InvalidEvent extends Error {}
