import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Position, Recorded } from '../event.ts';
import { type EventStore } from '../eventStore/eventStore.ts';
import { StoreUnavailable } from '../storage/storeErrors.ts';
import { FAILURE_KEY, PUBLISHER_TABLE, type PublisherFailure } from './publish.ts';
import type { ReadStore } from '../readStore/readStore.ts';
import { isAuthStream } from '../eventStore/streams.ts';

/** How long (ms) the log is asked for what is not published yet. */
const TIMEOUT = 3000;

/** How far the publisher has come, whichever node it runs on. */
export type PublisherState = {
  /** Everything up to here is published. */
  position: Position;
  /** The end of the log. */
  head: Position;
  /** How old the oldest change is that is not published yet; 0 where all are. */
  lagSeconds: number;
  /** Why the changes after `position` could not be published at the first try, and when that was. */
  failure?: PublisherFailure;
};

/** Asks the log and the publisher's checkpoint. Throws StoreUnavailable when they do not answer in time. */
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
    // Once the publisher is past the place where it could not go on, it has gone on.
    ...(row?.value && row.position >= position && { failure: row.value }),
  };
}

/** The same, looked at once for all who ask in the same turn of the event loop. */
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

/** A subscription goes on until a log that is away is back; whoever asks here is told before. */
async function firstAfter(eventStore: EventStore, after: Position): Promise<Recorded | undefined> {
  const signal = AbortSignal.timeout(TIMEOUT);
  for await (const { events, live } of eventStore.subscribe({ after, signal })) {
    const first = events.find(({ stream }) => isAuthStream(stream));
    if (first || live) return first;
  }
  throw new StoreUnavailable('the log did not answer in time');
}
