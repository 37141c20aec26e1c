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

/** Where the publisher keeps how far it has come, in the read store. */
export const PUBLISHER_TABLE = 'publisher';
/** The key of the row that says why the events after a position could not be published. */
export const FAILURE_KEY = 'failure';
export type PublisherFailure = { kind: string; since: string };

/** Bytes that are published at a time: brokers take about 1 MiB, which a single event never exceeds. */
const MOST_BYTES = 512 * 1024;
/** What a message takes (bytes) besides its key and value. */
const AROUND = 512;
/** Pauses (ms) between tries while the bus is down grow from the first to the longest. */
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 5000;
/** How often (ms) a node asks whether it has become the one that publishes. */
const ASK_EVERY = 500;
/** When it stops, it publishes what is in the log for this long (ms), then gives what is under way this long to end. */
const LAST_EVENTS = 2000;
const LAST_WORK = 2000;

export type Publisher = {
  /** Publishes what is in the log now, if that can be done soon, and stops. */
  stop(): Promise<void>;
};

/**
 * Publishes every event in log order, for as long as it is not stopped and this node holds the lease `publisher`. The
 * checkpoint follows each acknowledgement, so what is published again after a crash is what was under way.
 *
 * Two nodes may publish at once for a moment, when a former lease holder was frozen. The order per key holds even then, when
 * events are counted where they come first: a list of messages is only sent once everything before it is acknowledged. So
 * whenever it arrives, all earlier events are in the topic already, and a late list can only repeat.
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
  /** What this node knows to be acknowledged, also where that could not be written down. */
  let acknowledged = eventStore.start;

  const checkpoint = async (): Promise<Position> =>
    (await readStore.checkpoint(PUBLISHER_TABLE)) ?? eventStore.start;

  async function publishedUpTo(): Promise<Position> {
    const written = await checkpoint();
    return written > acknowledged ? written : acknowledged;
  }

  async function settle(position: Position): Promise<void> {
    acknowledged = position;
    await readStore.commit(PUBLISHER_TABLE, [], position);
    waiting.resolveUpTo(position);
  }

  const mayPublish = (): boolean => lease.held() && !signal.aborted;

  /** Somebody else may have published part of it while this node was frozen. */
  async function publishBatch({ events, position }: Batch): Promise<void> {
    const before = await publishedUpTo();
    for (const group of groupsOf(events.filter((event) => event.position > before))) {
      if (!mayPublish()) return;
      await bus.publish(group.messages);
      await settle(group.position);
    }
    if (position > (await checkpoint()) && mayPublish()) await settle(position);
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

  /** Anybody who asks how far the publisher has come is told, at any node, why it has not come further. */
  async function noteFailure(error: unknown): Promise<void> {
    const position = await publishedUpTo();
    if ((await eventStore.head()) <= position) return;
    const value: PublisherFailure = { kind: kindOf(error), since: new Date().toJSON() };
    await readStore.commit(PUBLISHER_TABLE, [{ key: FAILURE_KEY, value, position }]);
  }

  const logLast = (error: unknown): void => log.warn({ err: error }, 'the publisher did not stop in order');

  const pause = (ms: number): Promise<void> =>
    sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);

  async function run(): Promise<void> {
    for (let wait = FIRST_PAUSE; !signal.aborted;) {
      if (!lease.held()) {
        await pause(ASK_EVERY);
        continue;
      }
      const before = acknowledged;
      try {
        await follow();
      } catch (error) {
        if (signal.aborted) return;
        await noteFailure(error).catch((err: unknown) => log.debug({ err }, 'the failure was not noted'));
        if (error instanceof UnknownEvent) {
          log.fatal({ err: error }, 'this node publishes no more');
          return lease.release().catch(logLast);
        }
        outage.failed(error);
        wait = acknowledged > before ? FIRST_PAUSE : Math.min(2 * wait, LONGEST_PAUSE);
        await pause(wait * (0.5 + Math.random() / 2));
      }
    }
  }
  const running = run();

  async function publishLast(): Promise<void> {
    const head = await eventStore.head();
    if (head > (await publishedUpTo())) await waiting.wait(head, LAST_EVENTS);
  }
  return {
    async stop() {
      if (lease.held() && !outage.isOngoing()) await publishLast().catch(logLast);
      stopping.abort();
      waiting.close();
      await atMost(LAST_WORK, running);
      await lease.release().catch(logLast);
      await atMost(LAST_WORK, bus.close().catch(logLast));
    },
  };
}

/** Waits for work to end, but no longer than so many ms. */
async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const enough = new AbortController();
  const { signal } = enough;
  await Promise.race([work, sleep(ms, undefined, { signal }).catch(() => undefined)]);
  enough.abort();
}

/**
 * What events come to on the bus, in their order, in lists that a broker takes at once, each with the position that it
 * reaches. Throws UnknownEvent where it comes to an event that this release does not know.
 */
export function* groupsOf(
  events: readonly Recorded[],
): Generator<{ messages: Message[]; position: Position }, void, undefined> {
  let group = { messages: [] as Message[], position: '' };
  let bytes = 0;
  for (const event of events.filter(({ stream }) => isPublishedStream(stream))) {
    const isUnknown = !Object.hasOwn(eventSchemas, event.type);
    const messages = isUnknown ? [] : messagesOf(event as Recorded<PublishedEvent>);
    const size = messages.reduce((sum, message) => sum + sizeOf(message), 0);
    if (group.messages.length > 0 && (isUnknown || bytes + size > MOST_BYTES)) {
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
  return Buffer.byteLength(key) + Buffer.byteLength(value) + AROUND;
}

function kindOf(error: unknown): string {
  if (error instanceof BusUnavailable) return error.kind;
  return error instanceof UnknownEvent ? 'unknown-event' : 'failed';
}
