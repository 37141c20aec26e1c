import type { Metadata, Position, Recorded } from '../event.ts';
import type { AllStreamResolvedEvent, Kurrent, KurrentDBClient, ResolvedEvent } from './openKurrent.ts';
import { boundedPage, MAX_PAGE_CHARS } from '../storage/boundedPage.ts';
import type { BackwardsPage } from './eventStore.ts';
import { ANSWER_TIMEOUT, canReadStream, collect, itemsOf, withRetries } from './kurrentCalls.ts';
import { type KurrentOffsets, offsetsIn, positionOfOffsets } from './position.ts';

/** How long (ms) the server may search backwards through other applications' events for those of this log. */
const SEARCH_TIMEOUT = 120_000;
/** The offset that stands for "unknown" in the server's replies. */
const UNKNOWN_OFFSET = 2n ** 64n - 1n;

type ReadOptions = NonNullable<Parameters<KurrentDBClient['readStream']>[1]>;
type ReadAllOptions = NonNullable<Parameters<KurrentDBClient['readAll']>[0]>;
export type KurrentReads = ReturnType<typeof kurrentReads>;

/**
 * The stream that holds the id of the log of a prefix, and nothing else. Its name begins with `~`, which no prefix
 * contains, so that it belongs to no log.
 */
export function logStream(prefix: string): string {
  return `~${prefix}log`;
}

/** Reads of the log whose streams begin with the prefix. All go to the leader, because followers lag behind. */
export function kurrentReads({
  kurrent,
  prefix,
  logId,
}: {
  kurrent: Kurrent;
  prefix: string;
  logId: string;
}) {
  const start = positionOfOffsets(logId, { commit: 0n, prepare: 0n });
  const filter = { filterOn: 'streamName' as const, prefixes: [prefix], checkpointInterval: 1 };
  const operation = {
    kind: 'read $all',
    canReadStream: () => canReadStream(kurrent, logStream(prefix)),
  } as const;
  let scannedTo: Position | undefined;
  let newest = start;

  /** A server's event in the form of the port. */
  function toRecorded({ event }: ResolvedEvent | AllStreamResolvedEvent): Recorded {
    const { id, type, data, metadata, revision, streamId } = event!;
    const stream = streamId.slice(prefix.length);
    // Multi-stream appends store metadata as properties, to which the server adds some of its own ($...).
    const own = Object.entries(metadata as Metadata).filter(([name]) => !name.startsWith('$'));
    return {
      id,
      type,
      data,
      metadata: Object.fromEntries(own) as Metadata,
      stream,
      revision: Number(revision),
      position: positionOfEvent(event!),
    };
  }

  function positionOfEvent({
    position: offsets,
  }: Pick<NonNullable<ResolvedEvent['event']>, 'position'>): Position {
    if (!offsets || offsets.commit === UNKNOWN_OFFSET)
      throw new Error('the KurrentDB server gives events no positions: 22.6 or newer is needed');
    return positionOfOffsets(logId, offsets);
  }

  /** Events of a stream until their data reach `maxChars`, and whether they do; none if there is no such stream. */
  async function readUpTo(
    stream: string,
    options: ReadOptions,
    maxChars: number,
  ): Promise<{ events: Recorded[]; isCut: boolean }> {
    return withRetries(kurrent, async (client) => {
      let size = 0;
      const isEnough = ({ event }: ResolvedEvent): boolean => {
        if (maxChars !== Infinity) size += sizeOf(event!.data);
        return size >= maxChars;
      };
      try {
        const reading = client.readStream(prefix + stream, { ...options, requiresLeader: true });
        const events = await collect(reading, { isEnough });
        return { events: events.map(toRecorded), isCut: size >= maxChars };
      } catch (error) {
        if ((error as { type?: string }).type === 'stream-not-found') return { events: [], isCut: false };
        throw error;
      }
    });
  }

  /** Events of a stream; none if there is no such stream. */
  async function readStream(stream: string, options: ReadOptions): Promise<Recorded[]> {
    return (await readUpTo(stream, options, Infinity)).events;
  }

  const readEvents = (options: ReadAllOptions, within?: number): Promise<AllStreamResolvedEvent[]> =>
    withRetries(
      kurrent,
      (client) => collect(client.readAll({ ...options, requiresLeader: true }), { within }),
      operation,
    );

  /** The position of the last event that a read returns, of which none is kept; undefined if it returns none. */
  const positionOfLast = (options: ReadAllOptions, within = ANSWER_TIMEOUT): Promise<Position | undefined> =>
    withRetries(
      kurrent,
      async (client) => {
        let position: Position | undefined;
        const reading = client.readAll({ ...options, requiresLeader: true });
        for await (const { event } of itemsOf(reading, { within: () => within }))
          position = positionOfEvent(event!);
        return position;
      },
      operation,
    );

  /**
   * The position of this log's last event. Other applications' events may follow it, and searching backwards each time
   * would cost more the longer this log is idle. So the end of the last search is remembered, and only newer events are
   * searched.
   */
  async function head(): Promise<Position> {
    const fromEnd = { direction: 'backwards', fromPosition: 'end', maxCount: 1 } as const;
    const end = (await positionOfLast(fromEnd)) ?? start;
    if (scannedTo !== undefined && end <= scannedTo) return newest;
    const unseen =
      scannedTo === undefined
        ? { ...fromEnd, filter }
        : { fromPosition: offsetsIn(scannedTo, logId), filter };
    const found = (await positionOfLast(unseen, SEARCH_TIMEOUT)) ?? start;
    if (found > newest) newest = found;
    if (scannedTo === undefined || end > scannedTo) scannedTo = end;
    return newest;
  }

  /**
   * This log's events from a position on, including it, to the present end of the log, as the consumer takes them. Ends
   * when the signal aborts. Throws AnswerTimedOut if the server sends nothing for `within()` ms, as when it scans other
   * applications' events; that is no reason to replace the connection.
   */
  async function* readLog(
    from: Position,
    { within, signal }: { within(): number; signal: AbortSignal },
  ): AsyncGenerator<Recorded> {
    const fromPosition = from === start ? ('start' as const) : offsetsIn(from, logId);
    const reading = kurrent.client().readAll({ fromPosition, filter, requiresLeader: true });
    for await (const item of itemsOf(reading, { within, signal })) yield toRecorded(item);
  }

  /** This log's last event; undefined if it has none. */
  async function readNewest(): Promise<Recorded | undefined> {
    const at = await head();
    if (at === start) return undefined;
    // Without the filter, which would go on through other applications' events once the event is found.
    const [last] = await readEvents({ fromPosition: offsetsIn(at, logId), maxCount: 1 });
    return last && toRecorded(last);
  }

  async function eventAt(position: Position): Promise<Recorded | undefined> {
    const fromPosition = offsetsIn(position, logId);
    const [found] = await readEvents({ fromPosition, maxCount: 1 });
    const isOfThisLog = found?.event?.streamId.startsWith(prefix) === true;
    return isOfThisLog && positionOfEvent(found.event!) === position ? toRecorded(found) : undefined;
  }

  /**
   * This log's events before a position, newest first. At the end of the log it begins with the last event, so that
   * other applications' events after it are not searched again each time.
   */
  async function readLogBackwards({
    before,
    limit,
  }: {
    before?: Position | undefined;
    limit: number;
  }): Promise<BackwardsPage> {
    const from = before === undefined ? undefined : offsetsIn(before, logId);
    if (from !== undefined && before! <= (await head())) return readPageBefore(from, { first: [], limit });
    const last = await readNewest();
    if (last === undefined) return { events: [], reachesStart: true };
    return readPageBefore(offsetsIn(last.position, logId), { first: [last], limit });
  }

  /** A page of the events `first` and those before `from`. */
  function readPageBefore(
    from: KurrentOffsets,
    { first, limit }: { first: Recorded[]; limit: number },
  ): Promise<BackwardsPage> {
    const end = positionOfOffsets(logId, from);
    // One more, to know whether there is one.
    const maxCount = limit - first.length + 1;
    return withRetries(
      kurrent,
      async (client) => {
        const options = { direction: 'backwards', fromPosition: from, maxCount, filter } as const;
        const reading = client.readAll({ ...options, requiresLeader: true });
        let size = first.reduce((sum, { data }) => sum + sizeOf(data), 0);
        const isEnough = ({ event }: AllStreamResolvedEvent): boolean => {
          size += sizeOf(event!.data);
          return size > MAX_PAGE_CHARS;
        };
        // The driver hands out events by 64, and the rest when the read ends. The server ends it only when it finds one
        // more event than was asked for, or at the start of its own log.
        const found = await collect(reading, { within: SEARCH_TIMEOUT, isEnough });
        // Servers read what lies before a position; one that began with the event at it would repeat that event.
        const before = found.map(toRecorded).filter(({ position }) => position < end);
        const events = [...first, ...before].slice(0, limit);
        const { page } = boundedPage(events, ({ data }) => sizeOf(data));
        return { events: page, reachesStart: found.length < maxCount && size <= MAX_PAGE_CHARS };
      },
      operation,
    );
  }

  return {
    start,
    toRecorded,
    readUpTo,
    readStream,
    readLog,
    readLogBackwards,
    head,
    newest: readNewest,
    eventAt,
    async readLast(stream: string): Promise<Recorded | undefined> {
      const [last] = await readStream(stream, { direction: 'backwards', fromRevision: 'end', maxCount: 1 });
      return last;
    },
  };
}

function sizeOf(data: unknown): number {
  return JSON.stringify(data).length;
}
