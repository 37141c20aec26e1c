import type { Event, Metadata, NewEvent, Recorded } from '../event.ts';
import { boundedPage } from '../storage/boundedPage.ts';
import { encodeEvent, encodeWrites } from './encodeEvent.ts';
import { type BackwardsPage, type EventStore, nextRevision, type Write } from './eventStore.ts';
import { eventsToAppend } from './eventsToAppend.ts';
import { newLogId } from './newLogId.ts';
import { countIn, positionOf, UnknownPosition } from './position.ts';
import { appendSignal } from './appendSignal.ts';

const MAX_BATCH_SIZE = 500;

/** A log in memory, for tests: it keeps every promise of the port except that it does not outlive the process. */
export function memoryEventStore({ validate }: { validate(event: Event): void }): EventStore {
  const logId = newLogId();
  const log: Recorded[] = [];
  const streams = new Map<string, Recorded[]>();
  const appends = appendSignal();
  const streamOf = (stream: string): Recorded[] => streams.get(stream) ?? [];
  const revisionOf = (stream: string) => streamOf(stream).at(-1)?.revision ?? ('none' as const);
  const start = positionOf(logId, 0);

  function record(stream: string, event: NewEvent, metadata: Metadata): Recorded {
    const encoded = encodeEvent(event, metadata);
    return {
      id: event.id,
      type: event.type,
      data: JSON.parse(encoded.data) as unknown,
      metadata: JSON.parse(encoded.metadata) as Metadata,
      stream,
      revision: nextRevision(revisionOf(stream)),
      position: positionOf(logId, log.length + 1),
    };
  }

  return {
    logId,
    start,
    async append(writes: Write[], metadata) {
      encodeWrites(writes, { metadata, validate });
      const remaining = writes.map((write) => {
        const stream = streamOf(write.stream);
        const events = eventsToAppend(write, {
          revision: revisionOf(write.stream),
          idAt: (revision) => stream[revision]?.id,
          revisionOf: (id) => stream.find((event) => event.id === id)?.revision,
        });
        return { stream: write.stream, events };
      });
      for (const { stream, events } of remaining) {
        for (const event of events) {
          const recorded = record(stream, event, metadata);
          log.push(recorded);
          streams.set(stream, [...streamOf(stream), recorded]);
        }
      }
      appends.notify();
      const ids = new Set(writes.flatMap(({ events }) => events.map(({ id }) => id)));
      const last = log.findLast(({ id }) => ids.has(id));
      return { position: last?.position ?? positionOf(logId, log.length) };
    },
    async read(stream, { fromRevision = 0, limit = Infinity } = {}) {
      const events = streamOf(stream).slice(fromRevision, fromRevision + limit);
      const { page } = boundedPage(events, sizeOf);
      return { events: structuredClone(page), revision: revisionOf(stream) };
    },
    async readUpTo(stream, { upTo, fromRevision = 0, limit }) {
      const last = positionOf(logId, countIn(upTo, logId));
      const all = streamOf(stream).filter(({ position }) => position <= last);
      const { page } = boundedPage(all.slice(fromRevision, fromRevision + limit), sizeOf);
      return { events: structuredClone(page), reachesEnd: fromRevision + page.length >= all.length };
    },
    async readBackwards(stream, { beforeRevision = Infinity, limit }) {
      return lastPage(streamOf(stream).slice(0, beforeRevision), limit);
    },
    async readLogBackwards({ before, limit }) {
      const end = before === undefined ? log.length : Number(countIn(before, logId)) - 1;
      return lastPage(log.slice(0, Math.max(0, end)), limit);
    },
    async readLast(stream) {
      return structuredClone(streamOf(stream).at(-1));
    },
    async *subscribe({ after = start, signal }) {
      let count = Number(countIn(after, logId));
      if (count > log.length) throw new UnknownPosition(after, logId);
      let wasLive = false;
      while (!signal.aborted) {
        const events = log.slice(count, count + MAX_BATCH_SIZE);
        count += events.length;
        const live = count === log.length;
        if (events.length > 0 || !wasLive)
          yield { events: structuredClone(events), position: positionOf(logId, count), live };
        wasLive = live;
        if (count === log.length) await appends.wait(1000, signal);
      }
    },
    head: async () => positionOf(logId, log.length),
    newest: async () => structuredClone(log.at(-1)),
    eventAt: async (position) => structuredClone(log[Number(countIn(position, logId)) - 1]),
    probe: async () => undefined,
    close: async () => undefined,
  };
}

function sizeOf({ data }: Recorded): number {
  return JSON.stringify(data).length;
}

function lastPage(events: Recorded[], limit: number): BackwardsPage {
  const { page } = boundedPage(events.slice(Math.max(0, events.length - limit)).reverse(), sizeOf);
  return { events: structuredClone(page), reachesStart: page.length === events.length };
}
