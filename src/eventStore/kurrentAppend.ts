import { setTimeout as sleep } from 'node:timers/promises';
import type { NewEvent, Metadata, Position, Recorded } from '../event.ts';
import type { Kurrent, KurrentDBClient } from './openKurrent.ts';
import { EventTooLarge, type Revision, type Write } from './eventStore.ts';
import { OutcomeUnknown } from '../storage/storeErrors.ts';
import { answerOf, backoff, failureOf, isTrouble, outOfReach, renewAfter } from './kurrentFailures.ts';
import type { KurrentReads } from './kurrentReads.ts';
import { nextRevision, stillToAppend } from './newEvents.ts';
import { positionAt } from './position.ts';

/** For how many times as long it is tried to find out what became of an append that may have happened. */
const MORE_IF_UNCLEAR = 4;
/** Among how many of a stream's last events ids are looked for where no revision is expected. */
const LAST = 64;

type Parts = {
  kurrent: Kurrent;
  prefix: string;
  logId: string;
  reads: KurrentReads;
  /** How long (ms) an append is tried while it is certain that nothing was appended yet. */
  patience: number;
};
/** A write at a revision that the stream is known, or expected, to have. */
type ExactWrite = { stream: string; expectedRevision: Revision; events: NewEvent[] };
/** What of an append is still to be done, and the position of what is done. */
type Plan = { remaining: ExactWrite[]; done: Position };

/**
 * Appends so that one call is one change with one answer, whatever becomes of the connection: each write is sent at an exact
 * revision, and after a failure the streams are read to see whether it happened, before it is sent again.
 */
export function kurrentAppend({ kurrent, prefix, logId, reads, patience }: Parts) {
  return async function append(writes: Write[], metadata: Metadata): Promise<Position> {
    const startedAt = performance.now();
    let mustLook = writes.some(
      ({ expectedRevision, events }) => expectedRevision === 'any' || events.length === 0,
    );
    let isUnclear = false;
    let cause: unknown;
    const isLate = (): boolean =>
      performance.now() - startedAt > (isUnclear ? MORE_IF_UNCLEAR * patience : patience);
    for (let tries = 1; ; tries += 1) {
      let isSent = false;
      try {
        const plan = mustLook ? await look(writes) : { remaining: writes as ExactWrite[], done: '' };
        if (plan.remaining.length === 0) return plan.done || (await reads.head());
        if (cause !== undefined && isLate()) break;
        isSent = true;
        return await send(plan.remaining, metadata);
      } catch (error) {
        cause = error;
        const failure = failureOf(error);
        if (failure === 'refused') throw error;
        if (failure === 'too large')
          throw new EventTooLarge('the events are together larger than the KurrentDB server takes at once');
        isUnclear ||= isSent && failure === 'unclear';
        // What was sent is looked for, however late it is.
        if (!isSent && isLate()) break;
        if (failure !== 'conflict') await sleep(backoff(tries));
      }
      mustLook = true;
    }
    throw isUnclear ? outcomeUnknown(cause) : outOfReach(cause);
  };

  /** Throws WrongExpectedRevision when somebody else's change came first. */
  async function look(writes: Write[]): Promise<Plan> {
    const plans = await Promise.all(writes.map(lookAt));
    const remaining = plans.flatMap((plan) => plan.remaining);
    return {
      remaining,
      done:
        plans
          .map(({ done }) => done)
          .sort()
          .at(-1) ?? '',
    };
  }

  async function lookAt(write: Write): Promise<Plan> {
    const { stream, expectedRevision } = write;
    const last = await reads.readLast(stream);
    const revision = last?.revision ?? 'none';
    const there = await mayBeOurs(write, last);
    const events = stillToAppend(write, {
      revision,
      idAt: (at) => there.find((event) => event.revision === at)?.id,
      revisionOf: (id) => there.find((event) => event.id === id)?.revision,
    });
    if (events.length > 0) {
      return {
        remaining: [
          { stream, expectedRevision: expectedRevision === 'any' ? revision : expectedRevision, events },
        ],
        done: '',
      };
    }
    const ids = new Set(write.events.map(({ id }) => id));
    return { remaining: [], done: there.findLast(({ id }) => ids.has(id))?.position ?? '' };
  }

  /** The events of a stream that a first try may have brought in. */
  async function mayBeOurs(
    { stream, expectedRevision, events }: Write,
    last: Recorded | undefined,
  ): Promise<Recorded[]> {
    if (!last || last.revision === expectedRevision) return [];
    const first =
      expectedRevision === 'any' ? Math.max(0, last.revision + 1 - LAST) : nextRevision(expectedRevision);
    if (first > last.revision) return [];
    const count = expectedRevision === 'any' ? LAST : events.length;
    return reads.readStream(stream, { fromRevision: BigInt(first), maxCount: Math.max(1, count) });
  }

  async function send(writes: ExactWrite[], metadata: Metadata): Promise<Position> {
    const client = kurrent.client();
    try {
      const requests = writes.map(({ stream, expectedRevision, events }) => ({
        streamName: prefix + stream,
        expectedState: expectedRevision === 'none' ? ('no_stream' as const) : BigInt(expectedRevision),
        events: events.map((event) => jsonEvent(event, metadata)),
      }));
      return await (requests.length === 1 ? sendOne(client, requests[0]!) : sendSeveral(client, requests));
    } catch (error) {
      if (isTrouble(error)) renewAfter(error, { kurrent, client });
      throw error;
    }
  }

  async function sendOne(
    client: KurrentDBClient,
    { streamName, expectedState, events }: Request,
  ): Promise<Position> {
    const { position, nextExpectedRevision } = await answerOf(
      client.appendToStream(streamName, events, { streamState: expectedState }),
    );
    return position ? positionAt(logId, position) : positionIn(streamName, nextExpectedRevision);
  }

  async function sendSeveral(client: KurrentDBClient, requests: Request[]): Promise<Position> {
    const { responses } = await answerOf(client.multiStreamAppend(requests)).catch(
      (error: { type?: string }) => {
        if (error.type !== 'unsupported') throw error;
        throw new Error(
          'a change in several streams at once needs a KurrentDB server of version 25.1 or newer',
        );
      },
    );
    // The reply has one number for a position, which is two: so it is read with the event.
    const { streamName } = requests.at(-1)!;
    return positionIn(streamName, responses.find((each) => each.streamName === streamName)!.revision);
  }

  async function positionIn(streamName: string, revision: bigint): Promise<Position> {
    const stream = streamName.slice(prefix.length);
    const [event] = await reads.readStream(stream, { fromRevision: revision, maxCount: 1 });
    return event!.position;
  }
}

type JsonEvent = {
  contentType: 'application/json';
  id: string;
  type: string;
  data: Record<string, unknown>;
  metadata: Record<string, unknown>;
};
type Request = { streamName: string; expectedState: 'no_stream' | bigint; events: JsonEvent[] };

function jsonEvent({ id, type, data, metadata: own }: NewEvent, metadata: Metadata): JsonEvent {
  // Without the values that are undefined, which are not JSON.
  const kept = JSON.parse(JSON.stringify(own ?? metadata)) as Record<string, unknown>;
  return { contentType: 'application/json', id, type, data: data as Record<string, unknown>, metadata: kept };
}

function outcomeUnknown(cause: unknown): OutcomeUnknown {
  return new OutcomeUnknown(
    'KurrentDB went away while it was appended to, and it is not known what came of it',
    { cause },
  );
}
