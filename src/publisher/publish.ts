import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { eventSchemas } from '../../schemas/events/eventSchemas.ts';
import type { Position, Recorded } from '../event.ts';
import type { Batch, EventStore } from '../eventStore/eventStore.ts';
import type { PublishedEvent } from '../messageBus/cloudEvent.ts';
import { BusUnavailable, type Message, type MessageBus } from '../messageBus/messageBus.ts';
import { messagesOf } from '../messageBus/messagesOf.ts';
import { watchOutage } from '../process/outage.ts';
import { holdLease } from '../readStore/lease.ts';
import type { ReadStore } from '../readStore/readStore.ts';
import { isPublishedStream } from '../eventStore/streams.ts';
import { UnknownEvent } from '../eventStore/unknownEvent.ts';
import { boundedWaiters } from '../process/boundedWaiters.ts';

/** The table of the publisher's checkpoint in the read store. */
export const PUBLISHER_TABLE = 'publisher';
/** The key of the row that says why the events after a position could not be published. */
export const FAILURE_KEY = 'failure';
export type PublisherFailure = { kind: string; since: string };

/** The size (bytes) of a batch. Brokers accept about 1 MiB, which a single event never exceeds. */
const MAX_BATCH_BYTES = 512 * 1024;
/** Bytes of a message besides its key and value. */
const MESSAGE_OVERHEAD = 512;
/** Exponential backoff (ms) while the bus is down. */
const MIN_PAUSE = 200;
const MAX_PAUSE = 5000;
/** How often (ms) a node checks whether it has got the lease. */
const LEASE_CHECK_INTERVAL = 500;
/** At a stop, time limits (ms) to publish the rest of the log, and then for each remaining step. */
const DRAIN_TIMEOUT = 2000;
const STOP_TIMEOUT = 2000;

export type Publisher = {
  /** Publishes what is in the log now, if that is possible within a few seconds, and stops. */
  stop(): Promise<void>;
};

/**
 * Publishes every event at least once, in log order, until it is stopped and while this node holds the lease
 * `publisher`. The checkpoint is written after each acknowledgement, so after a crash only the batch in flight is
 * published again.
 *
 * Two nodes may publish at the same time for a moment, if a former lease holder was frozen. The order per key still
 * holds for the first occurrence of each event: a batch is only sent once everything before it is acknowledged. So all
 * earlier events are in the topic when it arrives, and a late batch can only contain duplicates.
 */
export function startPublisher(options: {
  eventStore: EventStore;
  readStore: ReadStore;
  bus: MessageBus;
  log: Logger;
  holder: string;
}): Publisher {
  const { eventStore, readStore, bus, log, holder } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const outage = watchOutage(log, 'changes could not be published');
  const waiting = boundedWaiters();
  const lease = holdLease({
    readStore,
    name: 'publisher',
    holder,
    onError: (error) => log.debug({ err: error }, 'the lease of the publisher was not renewed'),
  });
  /** The last position that this node knows to be acknowledged, even if the checkpoint could not be written. */
  let acknowledged = eventStore.start;

  const checkpoint = async (): Promise<Position> =>
    (await readStore.checkpoint(PUBLISHER_TABLE)) ?? eventStore.start;

  async function publishedUpTo(): Promise<Position> {
    const written = await checkpoint();
    return written > acknowledged ? written : acknowledged;
  }

  async function commitCheckpoint(position: Position): Promise<void> {
    acknowledged = position;
    await readStore.commit(PUBLISHER_TABLE, [], position);
    waiting.resolveUpTo(position);
  }

  const mayPublish = (): boolean => lease.isHeld() && !signal.aborted;

  /** Another node may have published a part of the batch while this node was frozen. */
  async function publishBatch({ events, position }: Batch): Promise<void> {
    const before = await publishedUpTo();
    for (const group of messageBatches(events.filter((event) => event.position > before))) {
      if (!mayPublish()) return;
      await bus.publish(group.messages);
      await commitCheckpoint(group.position);
    }
    if (position > (await checkpoint()) && mayPublish()) await commitCheckpoint(position);
    outage.ended();
  }

  async function follow(): Promise<void> {
    await bus.publish([]);
    const after = await publishedUpTo();
    log.info({ after }, 'this node publishes the changes');
    for await (const batch of eventStore.subscribe({ after, signal })) {
      if (!mayPublish()) return;
      await publishBatch(batch);
    }
  }

  /** Stores the reason in the read store, so that every node can report it. */
  async function recordFailure(error: unknown): Promise<void> {
    const position = await publishedUpTo();
    if ((await eventStore.head()) <= position) return;
    const value: PublisherFailure = { kind: kindOf(error), since: new Date().toJSON() };
    await readStore.commit(PUBLISHER_TABLE, [{ key: FAILURE_KEY, value, position }]);
  }

  const logStopFailure = (error: unknown): void =>
    log.warn({ err: error }, 'the publisher did not stop in order');

  const pause = (ms: number): Promise<void> =>
    sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);

  async function run(): Promise<void> {
    for (let wait = MIN_PAUSE; !signal.aborted;) {
      if (!lease.isHeld()) {
        await pause(LEASE_CHECK_INTERVAL);
        continue;
      }
      const before = acknowledged;
      try {
        await follow();
      } catch (error) {
        if (signal.aborted) return;
        await recordFailure(error).catch((err: unknown) => log.debug({ err }, 'the failure was not noted'));
        if (error instanceof UnknownEvent) {
          log.fatal({ err: error }, 'this node publishes no more');
          return lease.release().catch(logStopFailure);
        }
        outage.failed(error);
        wait = acknowledged > before ? MIN_PAUSE : Math.min(2 * wait, MAX_PAUSE);
        await pause(wait * (0.5 + Math.random() / 2));
      }
    }
  }
  const running = run();

  async function drain(): Promise<void> {
    const head = await eventStore.head();
    if (head > (await publishedUpTo())) await waiting.wait(head, DRAIN_TIMEOUT);
  }
  return {
    async stop() {
      if (lease.isHeld() && !outage.isOngoing()) await drain().catch(logStopFailure);
      stopping.abort();
      waiting.close();
      await waitAtMost(STOP_TIMEOUT, running);
      await lease.release().catch(logStopFailure);
      await waitAtMost(STOP_TIMEOUT, bus.close().catch(logStopFailure));
    },
  };
}

/** Waits for work to end, for at most `ms`. */
async function waitAtMost(ms: number, work: Promise<void>): Promise<void> {
  const enough = new AbortController();
  const { signal } = enough;
  await Promise.race([work, sleep(ms, undefined, { signal }).catch(() => undefined)]);
  enough.abort();
}

/**
 * The messages of events, in order, in batches that a broker accepts, each with the position of its last event. Throws
 * UnknownEvent at an event that this release does not know.
 */
export function* messageBatches(
  events: readonly Recorded[],
): Generator<{ messages: Message[]; position: Position }, void, undefined> {
  let group = { messages: [] as Message[], position: '' };
  let bytes = 0;
  for (const event of events.filter(({ stream }) => isPublishedStream(stream))) {
    const isUnknown = !Object.hasOwn(eventSchemas, event.type);
    const messages = isUnknown ? [] : messagesOf(event as Recorded<PublishedEvent>);
    const size = messages.reduce((sum, message) => sum + sizeOf(message), 0);
    if (group.messages.length > 0 && (isUnknown || bytes + size > MAX_BATCH_BYTES)) {
      yield group;
      group = { messages: [], position: '' };
      bytes = 0;
    }
    if (isUnknown) throw new UnknownEvent(event);
    group.messages.push(...messages);
    group.position = event.position;
    bytes += size;
  }
  if (group.messages.length > 0) yield group;
}

function sizeOf({ key, value }: Message): number {
  return Buffer.byteLength(key) + Buffer.byteLength(value) + MESSAGE_OVERHEAD;
}

function kindOf(error: unknown): string {
  if (error instanceof BusUnavailable) return error.kind;
  return error instanceof UnknownEvent ? 'unknown-event' : 'failed';
}
