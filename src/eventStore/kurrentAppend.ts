import { setTimeout as sleep } from 'node:timers/promises';
import type { NewEvent, Metadata, Position, Recorded } from '../event.ts';
import type { Kurrent, KurrentDBClient } from './openKurrent.ts';
import { EventTooLarge, nextRevision, type Revision, type Write } from './eventStore.ts';
import { OutcomeUnknown } from '../storage/storeErrors.ts';
import { AccessDenied, failureOf, isTransient } from './kurrentFailures.ts';
import { backoff, renewConnection, withTimeout } from './kurrentCalls.ts';
import type { KurrentReads } from './kurrentReads.ts';
import { eventsToAppend } from './eventsToAppend.ts';
import { positionOfOffsets } from './position.ts';

/** An append that may have happened is looked for this many times longer than one that certainly has not. */
const UNCLEAR_PATIENCE_FACTOR = 4;
/** How many of a stream's last events are searched for an append's ids if it expects no particular revision. */
const MAX_EVENTS_SEARCHED = 64;

const APPEND = { kind: 'append' } as const;

type Parts = {
  kurrent: Kurrent;
  prefix: string;
  logId: string;
  reads: KurrentReads;
  /** How long (ms) an append is retried while it certainly has not happened. */
  patience: number;
};
/** A write at an exact revision, which the stream has or is expected to have. */
type ExactWrite = { stream: string; expectedRevision: Revision; events: NewEvent[] };
/** The writes of an append that are still to be sent, and the position of those that are stored ('' for none). */
type Plan = { remaining: ExactWrite[]; position: Position };

/**
 * Makes one call one change with one result, even if the connection is lost. Each write is sent at an exact revision,
 * and after a failure the streams are read to find out whether it happened before it is sent again.
 */
export function kurrentAppend({ kurrent, prefix, logId, reads, patience }: Parts) {
  return async function append(writes: Write[], metadata: Metadata): Promise<Position> {
    const startedAt = performance.now();
    let mustReadStreams = writes.some(
      ({ expectedRevision, events }) => expectedRevision === 'any' || events.length === 0,
    );
    let mayHaveHappened = false;
    let cause: unknown;
    const isTimeUp = (): boolean =>
      performance.now() - startedAt > (mayHaveHappened ? UNCLEAR_PATIENCE_FACTOR * patience : patience);
    for (let tries = 1; ; tries += 1) {
      let isSent = false;
      try {
        const plan = mustReadStreams
          ? await planWrites(writes)
          : { remaining: writes as ExactWrite[], position: '' };
        if (plan.remaining.length === 0) return plan.position || (await reads.head());
        if (cause !== undefined && isTimeUp()) break;
        isSent = true;
        return await send(plan.remaining, metadata);
      } catch (error) {
        cause = error;
        const failure = failureOf(error);
        if (failure === 'refused') throw error;
        if (failure === 'too large') throw new EventTooLarge(tooLargeForServer(error));
        // AccessDenied comes from a read after the append; the refusal of an append is an error of the driver.
        mayHaveHappened ||= isSent && (failure === 'unclear' || error instanceof AccessDenied);
        if (failure === 'denied') break;
        // Whatever was sent is looked for once more, even if time is up.
        if (!isSent && isTimeUp()) break;
        if (failure !== 'conflict') await sleep(backoff(tries));
      }
      mustReadStreams = true;
    }
    const reason = await kurrent.outages.unavailable(cause, APPEND);
    throw mayHaveHappened ? outcomeUnknown(reason) : reason;
  };

  /** Reads the streams to plan what is left to do. Throws WrongExpectedRevision if another change came first. */
  async function planWrites(writes: Write[]): Promise<Plan> {
    const plans = await Promise.all(writes.map(planWrite));
    const remaining = plans.flatMap((plan) => plan.remaining);
    const positions = plans.map(({ position }) => position).sort();
    return { remaining, position: positions.at(-1) ?? '' };
  }

  async function planWrite(write: Write): Promise<Plan> {
    const { stream, expectedRevision } = write;
    const last = await reads.readLast(stream);
    const revision = last?.revision ?? 'none';
    const candidates = await readCandidates(write, last);
    const events = eventsToAppend(write, {
      revision,
      idAt: (at) => candidates.find((event) => event.revision === at)?.id,
      revisionOf: (id) => candidates.find((event) => event.id === id)?.revision,
    });
    if (events.length > 0) {
      return {
        remaining: [
          { stream, expectedRevision: expectedRevision === 'any' ? revision : expectedRevision, events },
        ],
        position: '',
      };
    }
    const ids = new Set(write.events.map(({ id }) => id));
    return { remaining: [], position: candidates.findLast(({ id }) => ids.has(id))?.position ?? '' };
  }

  /** The stored events that an earlier try may have appended. */
  async function readCandidates(
    { stream, expectedRevision, events }: Write,
    last: Recorded | undefined,
  ): Promise<Recorded[]> {
    if (!last || last.revision === expectedRevision) return [];
    const first =
      expectedRevision === 'any'
        ? Math.max(0, last.revision + 1 - MAX_EVENTS_SEARCHED)
        : nextRevision(expectedRevision);
    if (first > last.revision) return [];
    const count = expectedRevision === 'any' ? MAX_EVENTS_SEARCHED : events.length;
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
      const position = await (requests.length === 1
        ? sendOne(client, requests[0]!)
        : sendMany(client, requests));
      kurrent.outages.worked(APPEND);
      return position;
    } catch (error) {
      if (isTransient(error)) renewConnection(error, { kurrent, client });
      throw error;
    }
  }

  async function sendOne(
    client: KurrentDBClient,
    { streamName, expectedState, events }: AppendRequest,
  ): Promise<Position> {
    const { position, nextExpectedRevision } = await withTimeout(
      client.appendToStream(streamName, events, { streamState: expectedState }),
    );
    return position ? positionOfOffsets(logId, position) : readPosition(streamName, nextExpectedRevision);
  }

  async function sendMany(client: KurrentDBClient, requests: AppendRequest[]): Promise<Position> {
    const { responses } = await withTimeout(client.multiStreamAppend(requests)).catch(
      (error: { type?: string }) => {
        if (error.type !== 'unsupported') throw error;
        throw new Error(
          'a change in several streams at once needs a KurrentDB server of version 25.1 or newer',
        );
      },
    );
    // The reply contains one number for a position, but a position is two; so it is read with the event.
    const { streamName } = requests.at(-1)!;
    return readPosition(streamName, responses.find((each) => each.streamName === streamName)!.revision);
  }

  async function readPosition(streamName: string, revision: bigint): Promise<Position> {
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
type AppendRequest = { streamName: string; expectedState: 'no_stream' | bigint; events: JsonEvent[] };

function jsonEvent({ id, type, data, metadata: own }: NewEvent, metadata: Metadata): JsonEvent {
  // Drops undefined values, which are not JSON.
  const jsonMetadata = JSON.parse(JSON.stringify(own ?? metadata)) as Record<string, unknown>;
  return {
    contentType: 'application/json',
    id,
    type,
    data: data as Record<string, unknown>,
    metadata: jsonMetadata,
  };
}

/** Servers since 25.1 take more than MAX_APPEND_BYTES, unless they are configured to take less. */
function tooLargeForServer(error: unknown): string {
  const { maxSize, maxAppendSize } = error as { maxSize?: number; maxAppendSize?: number };
  const limit = maxSize ?? maxAppendSize;
  const { type } = error as { type?: string };
  const what =
    type === 'append-record-size-exceeded' ? 'an event is larger' : 'the events are together larger';
  const figure = limit === undefined ? '' : `: at most ${limit} bytes`;
  return `${what} than the KurrentDB server takes at once${figure}`;
}

function outcomeUnknown(cause: unknown): OutcomeUnknown {
  return new OutcomeUnknown(
    'KurrentDB went away while it was appended to, and it is not known what came of it',
    { cause },
  );
}
