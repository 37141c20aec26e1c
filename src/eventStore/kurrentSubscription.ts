import { setImmediate as turnOfTheLoop, setTimeout as sleep } from 'node:timers/promises';
import type { Position, Recorded } from '../event.ts';
import type { AllStreamResolvedEvent, Kurrent } from './openKurrent.ts';
import type { Batch } from './eventStore.ts';
import { backoff, isTrouble } from './kurrentFailures.ts';
import type { KurrentReads } from './kurrentReads.ts';
import { type Place, placeIn, positionAt } from './position.ts';

/** Events that a subscriber is given at a time, and that are fetched ahead. */
const BATCH = 500;
/** A checkpoint comes at least after so many times 32 events of others. */
const CHECKPOINT_INTERVAL = 32;

type Parts = { kurrent: Kurrent; prefix: string; logId: string; reads: KurrentReads };
type Options = { after: Position; signal: AbortSignal };
/** What comes of the subscription, in log order: an event of ours, or a place up to which all were seen. */
type Item = AllStreamResolvedEvent | { checkpoint: Place };

/**
 * Follows the log after a position, forever until the signal aborts. When the connection is lost it goes on over another
 * after the last batch that was handed out, so that who reads misses nothing, sees nothing twice, and need not know.
 */
export async function* kurrentSubscription(parts: Parts, { after, signal }: Options): AsyncGenerator<Batch> {
  // It also throws for another log's position, which could be compared as text.
  placeIn(after, parts.logId);
  let position = after;
  let wasLive = false;
  for (let tries = 1; !signal.aborted; tries += 1) {
    try {
      for await (const batch of followOnce(parts, { after: position, signal })) {
        const isNews = batch.position !== position || batch.live !== wasLive;
        ({ position, live: wasLive } = batch);
        if (!isNews) continue;
        tries = 0;
        yield batch;
        if (signal.aborted) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isTrouble(error)) throw error;
    }
    await sleep(backoff(tries), undefined, { signal }).catch(() => undefined);
  }
}

/** The same over one connection. It is live once it has come to where the head of the log was when it began. */
async function* followOnce(parts: Parts, { after, signal }: Options): AsyncGenerator<Batch> {
  const { kurrent, prefix, logId, reads } = parts;
  const goal = await unlessAborted(reads.head(), signal);
  if (goal === undefined) return;
  let position = after;
  let events: Recorded[] = [];
  if (position >= goal) yield { events, position, live: true };
  if (signal.aborted) return;
  const subscription = kurrent.client().subscribeToAll(
    {
      fromPosition: after === reads.start ? 'start' : placeIn(after, logId),
      filter: {
        filterOn: 'streamName',
        prefixes: [prefix],
        checkpointInterval: CHECKPOINT_INTERVAL,
        // Into the line with the events: one is never told of a place before the events up to it.
        checkpointReached: (line, checkpoint) => void line.push({ checkpoint }),
      },
    },
    { highWaterMark: BATCH },
  );
  const stop = (): void => void subscription.destroy();
  signal.addEventListener('abort', stop, { once: true });
  // What fails once nobody listens any more concerns nobody.
  subscription.on('error', () => undefined);
  try {
    for await (const item of subscription as AsyncIterable<Item>) {
      if ('checkpoint' in item) {
        position = later(position, positionAt(logId, item.checkpoint));
      } else {
        const event = reads.recorded(item);
        if (event.position > position) events.push(event);
        position = later(position, event.position);
      }
      if (position >= goal) {
        // What has come already is handed out together.
        if (subscription.readableLength === 0) await turnOfTheLoop();
        if (subscription.readableLength > 0 && events.length < BATCH) continue;
      } else if (events.length < BATCH && !('checkpoint' in item)) continue;
      yield { events, position, live: position >= goal && subscription.readableLength === 0 };
      events = [];
    }
  } finally {
    signal.removeEventListener('abort', stop);
    subscription.destroy();
    subscription.unsubscribe().catch(() => undefined);
  }
}

function later(one: Position, other: Position): Position {
  return one > other ? one : other;
}

/** What a promise answers; undefined when the signal aborts before. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  let stop = (): void => undefined;
  const aborted = new Promise<undefined>((resolve) => (stop = () => resolve(undefined)));
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
