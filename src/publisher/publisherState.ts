import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Position, Recorded } from '../event.ts';
import { type EventStore } from '../eventStore/eventStore.ts';
import { StoreUnavailable } from '../storage/storeErrors.ts';
import { FAILURE_KEY, PUBLISHER_TABLE, type PublisherFailure } from './publish.ts';
import type { ReadStore } from '../readStore/readStore.ts';
import { isAuthStream } from '../eventStore/streams.ts';

/** Time limit (ms) for reading the oldest unpublished event. */
const TIMEOUT = 3000;

/** The progress of the publisher, whichever node it runs on. */
export type PublisherState = {
  /** Everything up to here is published. */
  position: Position;
  /** The end of the log. */
  head: Position;
  /** The age (s) of the oldest unpublished change; 0 if there is none. */
  lagSeconds: number;
  /** Why the changes after `position` could not be published, and since when. */
  failure?: PublisherFailure;
};

/** Reads the log and the publisher's checkpoint. Throws StoreUnavailable if they do not answer in time. */
export async function publisherState({
  eventStore,
  readStore,
}: {
  eventStore: EventStore;
  readStore: ReadStore;
}): Promise<PublisherState> {
  const head = await eventStore.head();
  const position = (await readStore.checkpoint(PUBLISHER_TABLE)) ?? eventStore.start;
  const waiting = position < head ? await firstAfter(eventStore, position) : undefined;
  if (!waiting) return { position, head, lagSeconds: 0 };
  const row = await readStore.get<PublisherFailure>(PUBLISHER_TABLE, FAILURE_KEY);
  const lag = Date.now() - Date.parse(waiting.metadata.at);
  return {
    position,
    head,
    lagSeconds: Math.max(0, Math.round(lag / 1000)),
    // A failure before the checkpoint is over.
    ...(row?.value && row.position >= position && { failure: row.value }),
  };
}

/** Returns a `publisherState` that reads once for all calls in the same turn of the event loop. */
export function sharedPublisherState(
  stores: Parameters<typeof publisherState>[0],
): () => Promise<PublisherState> {
  let pending: Promise<PublisherState> | undefined;
  async function lookUp(): Promise<PublisherState> {
    await nextTurn();
    pending = undefined;
    return publisherState(stores);
  }
  return () => (pending ??= lookUp());
}

/** The first change after a position. A subscription would wait for an unavailable log, so it has a time limit. */
async function firstAfter(eventStore: EventStore, after: Position): Promise<Recorded | undefined> {
  const signal = AbortSignal.timeout(TIMEOUT);
  for await (const { events, live } of eventStore.subscribe({ after, signal })) {
    const first = events.find(({ stream }) => isAuthStream(stream));
    if (first || live) return first;
  }
  throw new StoreUnavailable('the log did not answer in time');
}
