import type { TimesRow } from '../../projections/times.ts';
import type { Position } from '../event.ts';
import type { ReadModel } from './readModel.ts';

/** A part of the log: the positions after `after`, up to and including `upTo`. */
export type HistorySpan = { after: Position; upTo: Position };

/** Whether a position is in a part of the log. */
export function isWithin({ after, upTo }: HistorySpan, position: Position): boolean {
  return position > after && position <= upTo;
}

/**
 * The smallest part of the given one that is known to hold all its events of a period (both ends included, ms since
 * 1970). Times of requests may run backwards between events, so others can be among them.
 */
export async function narrowToTimes(
  { after, upTo }: HistorySpan,
  { since = -Infinity, until = Infinity }: { since?: number; until?: number },
  times: ReadModel<TimesRow>,
): Promise<HistorySpan> {
  let first: Position | undefined;
  let last: Position | undefined;
  let previous = after;
  for await (const { position, value } of times.all()) {
    if (value.latest >= since) first ??= previous;
    if (value.earliest <= until) last = position;
    previous = position;
  }
  if (first === undefined || last === undefined) return { after, upTo: after };
  return { after: first > after ? first : after, upTo: last < upTo ? last : upTo };
}
