import { randomUUID } from 'node:crypto';
import type { Event } from '../event.ts';
import type { Kurrent } from './openKurrent.ts';
import { keyedMutex } from '../process/keyedMutex.ts';
import { MAX_PAGE_CHARS } from '../storage/boundedPage.ts';
import { encodeWrites } from './encodeEvent.ts';
import type { EventStore, Write } from './eventStore.ts';
import { kurrentAppend } from './kurrentAppend.ts';
import { collect, withRetries, withTimeout } from './kurrentCalls.ts';
import { failureOf } from './kurrentFailures.ts';
import { offsetsIn } from './position.ts';
import { kurrentReads, logStream } from './kurrentReads.ts';
import { kurrentSubscription } from './kurrentSubscription.ts';
import { newLogId } from './newLogId.ts';

/**
 * The log on a KurrentDB server: all streams whose names begin with the prefix. Throws StoreUnavailable if the server
 * cannot be reached.
 */
export async function kurrentEventStore(options: {
  kurrent: Kurrent;
  validate(event: Event): void;
  prefix: string;
  /** How long (ms) an append is retried while the server cannot be reached; longer if it may have happened already. */
  patience?: number;
  /** How long (ms) events of a backlog wait for others to fill their batch. */
  batchDelay?: number;
}): Promise<EventStore> {
  const { kurrent, validate, prefix, patience = 5000, batchDelay = 50 } = options;
  const logId = await openLogId(kurrent, prefix);
  const reads = kurrentReads({ kurrent, prefix, logId });
  const append = kurrentAppend({ kurrent, prefix, logId, reads, patience });
  const runExclusive = keyedMutex();

  return {
    logId,
    start: reads.start,
    async append(writes, metadata) {
      encodeWrites(writes, { metadata, validate });
      // Concurrent appends at any revision of one stream would only conflict with each other.
      const position = await (hasAnyRevision(writes)
        ? runExclusive(writes[0]!.stream, () => append(writes, metadata))
        : append(writes, metadata));
      return { position };
    },
    async read(stream, { fromRevision = 0, limit = Infinity } = {}) {
      // Also reads the event before: it usually exists, so that even an answer without events shows the stream's
      // revision.
      const first = Math.max(0, fromRevision - 1);
      const maxCount = limit + fromRevision - first;
      const options = { fromRevision: BigInt(first), ...(maxCount !== Infinity && { maxCount }) };
      // Twice the size of a page: the event before may be as large as a page.
      const { events, isCut } = await reads.readUpTo(stream, options, 2 * MAX_PAGE_CHARS);
      const reachesTheEnd = events.length > 0 && events.length < maxCount && !isCut;
      const last = reachesTheEnd ? events.at(-1) : await reads.readLast(stream);
      return {
        events: events.filter(({ revision }) => revision >= fromRevision),
        revision: last?.revision ?? 'none',
      };
    },
    async readUpTo(stream, { upTo, fromRevision = 0, limit }) {
      // Throws if it is another log's.
      offsetsIn(upTo, logId);
      const options = { fromRevision: BigInt(fromRevision), maxCount: limit };
      const { events: read, isCut } = await reads.readUpTo(stream, options, MAX_PAGE_CHARS);
      const events = read.filter(({ position }) => position <= upTo);
      return { events, reachesEnd: events.length < read.length || (read.length < limit && !isCut) };
    },
    async readBackwards(stream, { beforeRevision, limit }) {
      if (beforeRevision === 0) return { events: [], reachesStart: true };
      const fromRevision = beforeRevision === undefined ? 'end' : BigInt(beforeRevision - 1);
      const options = { direction: 'backwards', fromRevision, maxCount: limit } as const;
      const { events } = await reads.readUpTo(stream, options, MAX_PAGE_CHARS);
      return { events, reachesStart: (events.at(-1)?.revision ?? 0) === 0 };
    },
    readLogBackwards: reads.readLogBackwards,
    readLast: reads.readLast,
    subscribe: ({ after = reads.start, signal }) =>
      kurrentSubscription({ kurrent, prefix, logId, reads, batchDelay }, { after, signal }),
    head: reads.head,
    newest: reads.newest,
    eventAt: reads.eventAt,
    probe: async () => void (await reads.head()),
    close: () => kurrent.close(),
  };
}

function hasAnyRevision(writes: Write[]): boolean {
  return writes.some(({ expectedRevision }) => expectedRevision === 'any');
}

/** The log's id; the first process to come creates it. */
async function openLogId(kurrent: Kurrent, prefix: string): Promise<string> {
  const stream = logStream(prefix);
  return withRetries(kurrent, async (client) => {
    const named = {
      contentType: 'application/json' as const,
      id: randomUUID(),
      type: 'LogNamed',
      metadata: {},
    };
    for (;;) {
      const [first] = await collect(client.readStream(stream, { maxCount: 1, requiresLeader: true })).catch(
        (error: { type?: string }) => {
          if (error.type === 'stream-not-found') return [];
          throw error;
        },
      );
      if (first) return (first.event!.data as { logId: string }).logId;
      const event = { ...named, data: { logId: newLogId() } };
      await withTimeout(client.appendToStream(stream, event, { streamState: 'no_stream' })).catch(
        async (error: unknown) => {
          const failure = failureOf(error);
          if (failure === 'denied') throw await kurrent.outages.unavailable(error, { kind: 'append' });
          if (failure !== 'conflict') throw error;
        },
      );
    }
  });
}
