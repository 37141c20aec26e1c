import { isDeepStrictEqual } from 'node:util';
import { MAX_APPEND_BYTES } from '../../schemas/constants.ts';
import type { Position, Recorded } from '../event.ts';
import { bytesInAppend, encodeEvent } from '../eventStore/encodeEvent.ts';
import type { EventStore, Write } from '../eventStore/eventStore.ts';

/** The most events in one append. */
const MAX_BATCH_EVENTS = 200;

/** The target has another event than the source at the same place in the log. */
export class CopyDiffers extends Error {}

type Logs = { from: EventStore; to: EventStore };
type PositionPair = { from?: Position; to?: Position };
type OnMatch = (source: Recorded, target: Recorded) => void;
export type CopyProgress = { onMatch: OnMatch; onAppended(last: Recorded): void };

/**
 * Copies a log into another one, with the events' ids, streams, revisions, data and metadata. Positions are the
 * target's own. Events that the target already has are compared, so an interrupted copy can be resumed. Appended events
 * are read back and compared. `onMatch` is called in log order for every event that is the same in both, and
 * `onAppended` with the last event of each append. Throws CopyDiffers, which names the event, if the target has another
 * one.
 */
export async function copyLog(logs: Logs, { onMatch: onPair, onAppended }: CopyProgress): Promise<void> {
  const common = await compareLogs(logs, {}, onPair);
  for await (const events of inBatches(eventsOf(logs.from, common.from))) {
    await appendAll(logs.to, events);
    onAppended(events.at(-1)!);
  }
  await compareLogs(logs, common, onPair);
}

/** Compares both logs from a pair of positions to the end of the target. Returns the pair of positions there. */
async function compareLogs(logs: Logs, after: PositionPair, onPair: OnMatch): Promise<PositionPair> {
  const sources = eventsOf(logs.from, after.from);
  const targets = eventsOf(logs.to, after.to);
  let place = after;
  try {
    for (;;) {
      const target = (await targets.next()).value;
      if (!target) return place;
      const source = (await sources.next()).value;
      if (!source)
        throw new CopyDiffers(`the target goes on after the end of the source: ${describe(target)}`);
      if (!isSame(source, target))
        throw new CopyDiffers(`the target has ${describe(target)} where the source has ${describe(source)}`);
      place = { from: source.position, to: target.position };
      onPair(source, target);
    }
  } finally {
    await Promise.all([sources.return(undefined), targets.return(undefined)]);
  }
}

/** The events after a position, up to the present end of the log. */
async function* eventsOf(
  store: EventStore,
  after?: Position,
): AsyncGenerator<Recorded, undefined, undefined> {
  const done = new AbortController();
  for await (const { events, live } of store.subscribe({ after, signal: done.signal })) {
    yield* events;
    if (live) done.abort();
  }
  return undefined;
}

/** Batches that one append keeps in order: the events of a stream are adjacent. */
async function* inBatches(events: AsyncIterable<Recorded>): AsyncGenerator<Recorded[]> {
  let batch: Recorded[] = [];
  let streams = new Set<string>();
  let bytes = 0;
  for await (const event of events) {
    // In an append to several streams, KurrentDB treats names that differ only in case as the same stream.
    const stream = event.stream.toLowerCase();
    const isInterleaved = streams.has(stream) && batch.at(-1)!.stream !== event.stream;
    const size = bytesInAppend(encodeEvent(event, event.metadata));
    if (
      isInterleaved ||
      batch.length >= MAX_BATCH_EVENTS ||
      (batch.length > 0 && bytes + size > MAX_APPEND_BYTES)
    ) {
      yield batch;
      batch = [];
      streams = new Set();
      bytes = 0;
    }
    batch.push(event);
    streams.add(stream);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

async function appendAll(to: EventStore, events: Recorded[]): Promise<void> {
  const writes = new Map<string, Write>();
  for (const { stream, revision, id, type, data, metadata } of events) {
    const expectedRevision = revision === 0 ? 'none' : revision - 1;
    const write = writes.get(stream) ?? { stream, expectedRevision, events: [] };
    writes.set(stream, write);
    write.events.push({ id, type, data, metadata });
  }
  await to.append([...writes.values()], events[0]!.metadata);
}

function isSame(source: Recorded, target: Recorded): boolean {
  return isDeepStrictEqual({ ...source, position: '' }, { ...target, position: '' });
}

function describe({ type, stream, revision, id }: Recorded): string {
  return `${type} ${id} (revision ${revision} of ${stream})`;
}
