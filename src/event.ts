/**
 * A position in one log: `<logId>.<digits>`, of fixed width, so that positions of one log sort as strings in log order.
 * A position from outside is refused if it is another log's.
 */
export type Position = string;

/** Digits of a position that counts events; other positions are KurrentDB's byte offsets. */
const COUNT_DIGITS = 20;
/** An event takes about 1000 bytes there. */
const DIGITS_OF_AN_EVENT = 3;

/**
 * The range of positions that holds a position together with about 10^exponent events around it. Ranges sort as text in
 * log order, and before the positions within them.
 */
export function rangeOf(position: Position, exponent: number): string {
  const start = position.indexOf('.') + 1;
  const cut = position.length === start + COUNT_DIGITS ? exponent : exponent + DIGITS_OF_AN_EVENT;
  return position.slice(0, start + COUNT_DIGITS - cut);
}

/** A fact, named in the past tense. Its data is only ever extended, never changed. */
export type Event<Type extends string = string, Data = unknown> = { type: Type; data: Data };

/** Who made a change, when, and through which request. Absent values are left out. */
export type Metadata = {
  /** The effective clientId, `anonymous` for an unsigned request, `static/authledger/…` for changes from inside. */
  actor: string;
  /** The client that signed the temporary credentials, where it is not the actor. */
  issuer?: string;
  /** The request's time. It may run backwards between events: order is position. */
  at: string;
  requestId: string;
  reason?: string;
  sourceIp?: string;
  traceparent?: string;
};

/**
 * An event to be appended. The id, a lower-case UUID, stays the same over all retries, which makes appends idempotent.
 * An event that is copied from another log has its own metadata, which replaces that of the append.
 */
export type NewEvent<E extends Event = Event> = E & { id: string; metadata?: Metadata };

/** An event read from the log. Revisions count from 0 in each stream. */
export type Recorded<E extends Event = Event> = E & {
  id: string;
  stream: string;
  revision: number;
  position: Position;
  metadata: Metadata;
};
