import { isDeepStrictEqual } from 'node:util';
import { MAX_EVENT_BYTES } from '../../schemas/constants.ts';
import type { Position, Recorded } from '../event.ts';
import type { EventStore, Write } from '../eventStore/eventStore.ts';

/** Events that are appended at a time. */
const MAX_BATCH_EVENTS = 200;
/** Their bytes: KurrentDB takes 1 MiB in one append. */
const MAX_BATCH_BYTES = MAX_EVENT_BYTES;

/** The two logs differ where they should be the same. */
export class CopyDiffers extends Error {}

type Logs = { from: EventStore; to: EventStore };
type PositionPair = { from?: Position; to?: Position };
type OnMatch = (source: Recorded, target: Recorded) => void;
export type CopyProgress = { onMatch: OnMatch; onAppended(last: Recorded): void };

/**
 * Copies a log into another one, with the events' ids, streams, revisions, data and metadata; positions are the target's
 * own. What the target has already is compared and left, so that a copy that was cut off goes on where it was; what is
 * appended is read back and compared. `onPair` is told of every event that was found the same in both, in log order, and
 * `onAppended` of the last one of those that were just appended. Throws CopyDiffers, naming the event, when the target has
 * another one.
 */
export async function copyLog(logs: Logs, { onMatch: onPair, onAppended }: CopyProgress): Promise<void> {
  const common = await compareLogs(logs, {}, onPair);
  for await (const events of inBatches(eventsOf(logs.from, common.from))) {
    await appendAll(logs.to, events);
    onAppended(events.at(-1)!);
  }
  await compareLogs(logs, common, onPair);
}

/** Goes along both logs from a place on until one of them ends, and answers where that is. */
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

/** What is in a log now, after a position. */
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

/** Events that can be appended at once and keep their order: a stream's events lie side by side then. */
async function* inBatches(events: AsyncIterable<Recorded>): AsyncGenerator<Recorded[]> {
  let batch: Recorded[] = [];
  let streams = new Set<string>();
  let bytes = 0;
  for await (const event of events) {
    // KurrentDB takes names that differ only in case for those of one stream, when it appends to several.
    const stream = event.stream.toLowerCase();
    const isInterleaved = streams.has(stream) && batch.at(-1)!.stream !== event.stream;
    const size = Buffer.byteLength(JSON.stringify([event.data, event.metadata]));
    if (
      isInterleaved ||
      batch.length >= MAX_BATCH_EVENTS ||
      (batch.length > 0 && bytes + size > MAX_BATCH_BYTES)
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
