import { setImmediate as yieldToEventLoop, setTimeout as sleep } from 'node:timers/promises';
import type { Position, Recorded } from '../event.ts';
import type { AllStreamResolvedEvent, Kurrent } from './openKurrent.ts';
import type { Batch } from './eventStore.ts';
import { backoff, unlessAborted, unlessLate } from './kurrentCalls.ts';
import { isTransient } from './kurrentFailures.ts';
import type { KurrentReads } from './kurrentReads.ts';
import { type KurrentOffsets, offsetsIn, positionOfOffsets } from './position.ts';

/** Events in one batch, and events that are fetched ahead. */
const MAX_BATCH_SIZE = 500;
/**
 * How long (ms) the server may send nothing of a backlog, as when it scans other applications' events. A subscription
 * says how far it has come meanwhile.
 */
const MAX_SILENCE = 3000;
/** The same once the read has reached the head that the log had when it began. */
const MAX_SILENCE_AT_HEAD = 100;
/** In units of 32: the server sends a checkpoint at the latest after 32 × 32 events of other applications. */
const CHECKPOINT_INTERVAL = 32;

type Parts = { kurrent: Kurrent; prefix: string; logId: string; reads: KurrentReads; batchDelay: number };
type Options = { after: Position; signal: AbortSignal };

/**
 * An item of the subscription, in log order: an event of this log, or offsets up to which all its events were
 * delivered.
 */
type Item = AllStreamResolvedEvent | { checkpoint: KurrentOffsets };

/**
 * Follows the log after a position until the signal aborts. If the connection is lost, it resumes over a new one after
 * the last batch that was yielded, so that the consumer misses nothing, sees nothing twice and does not notice.
 */
export async function* kurrentSubscription(parts: Parts, { after, signal }: Options): AsyncGenerator<Batch> {
  // Refuses a position of another log, which would compare as text without an error.
  offsetsIn(after, parts.logId);
  let position = after;
  let wasLive = false;
  for (let tries = 1; !signal.aborted; tries += 1) {
    try {
      for await (const batch of followConnection(parts, { after: position, signal })) {
        const isNews = batch.position !== position || batch.live !== wasLive;
        ({ position, live: wasLive } = batch);
        if (!isNews) continue;
        tries = 0;
        yield batch;
        if (signal.aborted) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isTransient(error)) throw error;
    }
    await sleep(backoff(tries), undefined, { signal }).catch(() => undefined);
  }
}

/** Follows the log over one connection: first the backlog, then what comes. */
async function* followConnection(parts: Parts, { after, signal }: Options): AsyncGenerator<Batch> {
  let position = after;
  let head = await unlessAborted(parts.reads.head(), signal);
  if (head === undefined) return;
  if (position < head) {
    for await (const events of readBacklog(parts, { after, head, signal })) {
      position = events.at(-1)!.position;
      yield { events, position, live: false };
      if (signal.aborted) return;
    }
    head = await unlessAborted(parts.reads.head(), signal);
    if (head === undefined) return;
  }
  yield* followSubscription(parts, { after: position, goal: head, signal });
}

/**
 * The events that the log has already, in batches. One read returns them several times as fast as a subscription. If it
 * fails or falls silent, that is its end: the subscription goes on after the last batch, and fails if it cannot. Any
 * other error is the driver's own.
 */
async function* readBacklog(
  { reads, batchDelay }: Parts,
  { after, head, signal }: Options & { head: Position },
): AsyncGenerator<Recorded[]> {
  let last = after;
  const within = (): number => (last < head ? MAX_SILENCE : MAX_SILENCE_AT_HEAD);
  async function* read(): AsyncGenerator<Recorded> {
    for await (const event of reads.readLog(after, { within, signal })) {
      // The read begins with the event at the position itself.
      if (event.position <= after) continue;
      last = event.position;
      yield event;
    }
  }
  try {
    yield* inBatches(read(), batchDelay);
  } catch (error) {
    if (!isTransient(error)) throw error;
  }
}

/** Items in batches of up to MAX_BATCH_SIZE; of fewer, if the next item takes longer than the delay (ms). */
async function* inBatches<T>(items: AsyncGenerator<T>, delay: number): AsyncGenerator<T[]> {
  let batch: T[] = [];
  let next = items.next();
  try {
    for (;;) {
      const result = batch.length === 0 ? await next : await unlessLate(next, delay);
      if (result && !result.done) {
        batch.push(result.value);
        next = items.next();
        if (batch.length < MAX_BATCH_SIZE) continue;
      }
      if (batch.length > 0) yield batch;
      if (result?.done) return;
      batch = [];
    }
  } finally {
    // Not awaited, nor missed: while the server is silent, neither settles.
    next.catch(() => undefined);
    items.return(undefined).catch(() => undefined);
  }
}

/** Follows the log by a subscription. It is live once it reaches `goal`, the head of the log when it began. */
async function* followSubscription(
  { kurrent, prefix, logId, reads }: Parts,
  { after, goal, signal }: Options & { goal: Position },
): AsyncGenerator<Batch> {
  let position = after;
  let events: Recorded[] = [];
  if (position >= goal) yield { events, position, live: true };
  if (signal.aborted) return;
  const subscription = kurrent.client().subscribeToAll(
    {
      fromPosition: after === reads.start ? 'start' : offsetsIn(after, logId),
      filter: {
        filterOn: 'streamName',
        prefixes: [prefix],
        checkpointInterval: CHECKPOINT_INTERVAL,
        // Queued with the events: a checkpoint is never seen before the events up to it.
        checkpointReached: (line, checkpoint) => void line.push({ checkpoint }),
      },
    },
    { highWaterMark: MAX_BATCH_SIZE },
  );
  const stop = (): void => void subscription.destroy();
  signal.addEventListener('abort', stop, { once: true });
  // Errors after the loop has ended are ignored.
  subscription.on('error', () => undefined);
  try {
    for await (const item of subscription as AsyncIterable<Item>) {
      if ('checkpoint' in item) {
        position = laterOf(position, positionOfOffsets(logId, item.checkpoint));
      } else {
        const event = reads.toRecorded(item);
        if (event.position > position) events.push(event);
        position = laterOf(position, event.position);
      }
      if (position >= goal) {
        // Items that have already arrived are yielded in one batch.
        if (subscription.readableLength === 0) await yieldToEventLoop();
        if (subscription.readableLength > 0 && events.length < MAX_BATCH_SIZE) continue;
      } else if (events.length < MAX_BATCH_SIZE && !('checkpoint' in item)) continue;
      yield { events, position, live: position >= goal && subscription.readableLength === 0 };
      events = [];
    }
  } finally {
    signal.removeEventListener('abort', stop);
    subscription.destroy();
    subscription.unsubscribe().catch(() => undefined);
  }
}

function laterOf(one: Position, other: Position): Position {
  return one > other ? one : other;
}
