import type { TimesRow } from '../../projections/times.ts';
import { ApiError } from '../domain/errors.ts';
import type { Position } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { isPositionOf } from '../eventStore/position.ts';
import type { Projector } from './projector.ts';
import type { ReadModel } from './readModel.ts';

/**
 * A moment of the log: the position of its last event, that event's time (undefined before the first event), and the
 * time at which it is judged what had expired.
 */
export type Moment = { position: Position; at: string | undefined; time: Date };

/** Finds the moments that requests name. Throws ServiceUnavailable while the times are being built. */
export type Moments = {
  /**
   * The moment at a position. Throws InvalidRequestArguments for one that is another log's, that the log has not come to,
   * or at which there is no event.
   */
  atPosition(position: Position): Promise<Moment>;
  /**
   * The moment of a time: the longest beginning of the log whose events all have times up to it. (Times of requests may
   * run backwards.) Throws InvalidRequestArguments for a time after `now`.
   */
  atTime(time: Date, now: Date): Promise<Moment>;
};

type Parts = {
  eventStore: Pick<EventStore, 'start' | 'eventAt' | 'subscribe'>;
  projector: Pick<Projector, 'position' | 'catchUp' | 'times'>;
};

/** Finds moments in the log that a projector follows. */
export function makeMoments({ eventStore, projector }: Parts): Moments {
  const { start } = eventStore;
  const ranges = makeRanges();

  async function atPosition(position: Position): Promise<Moment> {
    if (!isPositionOf(position, start))
      refuse(`at must be a position of this log, as an earlier reply gave it, or a date with time and zone`);
    if (position === start) return { position, at: undefined, time: new Date(0) };
    if (position > projector.position) await projector.catchUp();
    if (position > projector.position) refuse(`the log has not come to the position ${position} in at`);
    const event = await eventStore.eventAt(position);
    if (!event) refuse(`there is no event at the position ${position} in at`);
    const { at } = event!.metadata;
    return { position, at, time: new Date(at) };
  }

  async function atTime(time: Date, now: Date): Promise<Moment> {
    if (time > now) refuse(`at must not be in the future: it is ${now.toJSON()}`);
    // Everything up to here is in the times.
    const head = projector.position;
    const { after, isBeyond } = await ranges.endAt(time.getTime(), projector.times);
    if (!isBeyond) return { ...(await atPosition(head)), time };
    let [position, at] = [after ?? start, undefined as string | undefined];
    const done = new AbortController();
    try {
      for await (const { events, live } of eventStore.subscribe({ after: position, signal: done.signal })) {
        for (const event of events) {
          if (Date.parse(event.metadata.at) > time.getTime())
            return at === undefined ? { ...(await atPosition(position)), time } : { position, at, time };
          ({ position } = event);
          ({ at } = event.metadata);
        }
        if (live) break;
      }
    } finally {
      done.abort();
    }
    return { ...(await atPosition(position)), time };
  }

  return { atPosition, atTime };
}

/** The ranges of the log with the latest time up to the end of each, kept from one question to the next. */
function makeRanges() {
  let known: { key: string; last: Position; latest: number }[] = [];

  /** Reads the last range again, which has grown, and those after it. */
  async function refresh(times: ReadModel<TimesRow>): Promise<void> {
    const former = known.at(-2);
    const kept = former ? known.slice(0, -1) : [];
    let latest = former?.latest ?? -Infinity;
    for await (const { key, position, value } of times.all({ after: former?.key })) {
      latest = Math.max(latest, value.latest);
      kept.push({ key, last: position, latest });
    }
    known = kept;
  }

  return {
    /**
     * The last event before the first range with a later time than this (undefined: none), and whether there is such a
     * range.
     */
    async endAt(
      time: number,
      times: ReadModel<TimesRow>,
    ): Promise<{ after: Position | undefined; isBeyond: boolean }> {
      await refresh(times);
      let [low, high] = [0, known.length];
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (known[middle]!.latest > time) high = middle;
        else low = middle + 1;
      }
      return { after: known[low - 1]?.last, isBeyond: low < known.length };
    },
  };
}

function refuse(message: string): never {
  throw new ApiError('InvalidRequestArguments', message);
}
