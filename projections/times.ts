import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { CredentialsEvent } from '../schemas/events/credentialsEvents.ts';
import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import { type Position, rangeOf, type Recorded } from '../src/event.ts';
import type { Projection } from '../src/projection.ts';
import { auditedTypes } from './auditEntry.ts';

/** The earliest and the latest time (ms since 1970) of the events in a range of the log. */
export type TimesRow = { earliest: number; latest: number };

/** About 1000 events share a range. */
const EXPONENT = 3;

/** The key of the range that holds a position. */
export function timesKey(position: Position): string {
  return rangeOf(position, EXPONENT);
}

/**
 * The earliest and the latest time in each range of the log, by range. Times of requests may run backwards between
 * events, so the state as of a time ends before the first range with a later one.
 */
export const times: Projection<TimesRow, ClientEvent | RoleEvent | CredentialsEvent> = {
  name: 'times',
  version: 1,
  keys: ({ position }) => [timesKey(position)],
  on: Object.fromEntries([...auditedTypes, 'CredentialsIssued'].map((type) => [type, withTime])),
};

function withTime(row: TimesRow | undefined, { metadata: { at } }: Recorded): TimesRow {
  const time = Date.parse(at);
  if (!row) return { earliest: time, latest: time };
  return row.earliest <= time && row.latest >= time
    ? row
    : { earliest: Math.min(row.earliest, time), latest: Math.max(row.latest, time) };
}
