import { timesKey, type TimesRow } from '../../projections/times.ts';
import { refuseArguments } from '../domain/errors.ts';
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
      refuseArguments(
        `at must be a position of this log, as an earlier reply gave it, or a date with time and zone`,
      );
    if (position === start) return { position, at: undefined, time: new Date(0) };
    if (position > projector.position) await projector.catchUp();
    if (position > projector.position)
      refuseArguments(`the log has not come to the position ${position} in at`);
    const event = await eventStore.eventAt(position);
    if (!event) refuseArguments(`there is no event at the position ${position} in at`);
    const { at } = event!.metadata;
    return { position, at, time: new Date(at) };
  }

  async function atTime(time: Date, now: Date): Promise<Moment> {
    if (time > now) refuseArguments(`at must not be in the future: it is ${now.toJSON()}`);
    // Everything up to here is in the times. Rows of a shared store may be of later events, too.
    const head = projector.position;
    const after = await ranges.endAt(time.getTime(), { times: projector.times, head });
    const last = after === head ? undefined : await lastUpTo(time.getTime(), { after, head });
    return last ? { ...last, time } : { ...(await atPosition(after)), time };
  }

  /** The last event before the first one with a later time, after a position and up to another; undefined if none is. */
  async function lastUpTo(
    time: number,
    { after, head }: { after: Position; head: Position },
  ): Promise<Pick<Moment, 'position' | 'at'> | undefined> {
    let last: Pick<Moment, 'position' | 'at'> | undefined;
    const done = new AbortController();
    try {
      for await (const { events, live } of eventStore.subscribe({ after, signal: done.signal })) {
        for (const { position, metadata } of events) {
          if (position > head || Date.parse(metadata.at) > time) return last;
          last = { position, at: metadata.at };
        }
        if (live) break;
      }
    } finally {
      done.abort();
    }
    return last;
  }

  /** The ranges of the log by their times. */
  function makeRanges() {
    /** Those that this node holds all of, so that they never change again. */
    let complete: Range[] = [];

    /** Reads the ranges that have changed, and new ones. */
    async function read(times: ReadModel<TimesRow>, head: Position): Promise<Range[]> {
      const all = [...complete];
      let latest = all.at(-1)?.latest ?? -Infinity;
      for await (const { key, position, value } of times.all({ kind: 'answer', after: all.at(-1)?.key })) {
        if (key > timesKey(head)) break;
        latest = Math.max(latest, value.latest);
        all.push({ key, last: position > head ? head : position, latest });
      }
      const known = all.filter(({ key }) => key < timesKey(head));
      if (known.length > complete.length) complete = known;
      return all;
    }

    return {
      /** The end of the ranges before the first one with a later time than this. */
      async endAt(
        time: number,
        { times, head }: { times: ReadModel<TimesRow>; head: Position },
      ): Promise<Position> {
        const known = await read(times, head);
        let [low, high] = [0, known.length];
        while (low < high) {
          const middle = (low + high) >>> 1;
          if (known[middle]!.latest > time) high = middle;
          else low = middle + 1;
        }
        if (low === known.length) return head;
        return known[low - 1]?.last ?? start;
      },
    };
  }

  return { atPosition, atTime };
}

/** A range of the log: its key in the table of times, its last event, and the latest time up to its end. */
type Range = { key: string; last: Position; latest: number };
