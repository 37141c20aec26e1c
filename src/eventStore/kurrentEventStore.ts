import { randomUUID } from 'node:crypto';
import type { Event } from '../event.ts';
import type { Kurrent } from './openKurrent.ts';
import { keyedMutex } from '../process/keyedMutex.ts';
import { PART_SIZE } from '../storage/firstPart.ts';
import { encodeEvent } from './encodeEvent.ts';
import type { EventStore, Write } from './eventStore.ts';
import { kurrentAppend } from './kurrentAppend.ts';
import { allOf, answerOf, failureOf, reaching } from './kurrentFailures.ts';
import { kurrentReads } from './kurrentReads.ts';
import { kurrentSubscription } from './kurrentSubscription.ts';
import { newLogId } from './newEvents.ts';

/**
 * The log on a KurrentDB server: those of its streams whose names begin with the prefix. Throws StoreUnavailable when the server
 * cannot be reached.
 */
export async function kurrentEventStore(options: {
  kurrent: Kurrent;
  validate(event: Event): void;
  prefix: string;
  /** How long (ms) an append is tried when the server is out of reach; longer when it may have happened already. */
  patience?: number;
}): Promise<EventStore> {
  const { kurrent, validate, prefix, patience = 5000 } = options;
  const logId = await openLog(kurrent, prefix);
  const reads = kurrentReads({ kurrent, prefix, logId });
  const append = kurrentAppend({ kurrent, prefix, logId, reads, patience });
  const runExclusive = keyedMutex();

  return {
    logId,
    start: reads.start,
    async append(writes, metadata) {
      for (const { events } of writes) {
        for (const event of events) {
          validate(event);
          encodeEvent(event, metadata);
        }
      }
      // Those who do not mind the revision would only be in each other's way.
      const position = await (anyRevision(writes)
        ? runExclusive(writes[0]!.stream, () => append(writes, metadata))
        : append(writes, metadata));
      return { position };
    },
    async read(stream, { fromRevision = 0, limit = Infinity } = {}) {
      // With the event before, which is there as a rule, an answer without events tells the stream's revision too.
      const first = Math.max(0, fromRevision - 1);
      const most = limit + fromRevision - first;
      const options = { fromRevision: BigInt(first), ...(most !== Infinity && { maxCount: most }) };
      // The event before may be as large as a part.
      const { events, isCut } = await reads.readPart(stream, options, 2 * PART_SIZE);
      const reachesTheEnd = events.length > 0 && events.length < most && !isCut;
      const last = reachesTheEnd ? events.at(-1) : await reads.readLast(stream);
      return {
        events: events.filter(({ revision }) => revision >= fromRevision),
        revision: last?.revision ?? 'none',
      };
    },
    readLast: reads.readLast,
    subscribe: ({ after = reads.start, signal }) =>
      kurrentSubscription({ kurrent, prefix, logId, reads }, { after, signal }),
    head: reads.head,
    newest: reads.newest,
    probe: async () => void (await reads.head()),
    close: () => kurrent.close(),
  };
}

function anyRevision(writes: Write[]): boolean {
  return writes.some(({ expectedRevision }) => expectedRevision === 'any');
}

/**
 * The log's name, from the stream that holds only this; who comes first gives it. The stream's name begins with what no prefix
 * has, so that it is in nobody's log.
 */
async function openLog(kurrent: Kurrent, prefix: string): Promise<string> {
  const stream = `~${prefix}log`;
  return reaching(kurrent, async (client) => {
    const named = {
      contentType: 'application/json' as const,
      id: randomUUID(),
      type: 'LogNamed',
      metadata: {},
    };
    for (;;) {
      const [first] = await allOf(client.readStream(stream, { maxCount: 1, requiresLeader: true })).catch(
        (error: { type?: string }) => {
          if (error.type === 'stream-not-found') return [];
          throw error;
        },
      );
      if (first) return (first.event!.data as { logId: string }).logId;
      const event = { ...named, data: { logId: newLogId() } };
      await answerOf(client.appendToStream(stream, event, { streamState: 'no_stream' })).catch(
        (error: unknown) => {
          if (failureOf(error) !== 'conflict') throw error;
        },
      );
    }
  });
}
