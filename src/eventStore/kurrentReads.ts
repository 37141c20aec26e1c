import type { Metadata, Position, Recorded } from '../event.ts';
import type { AllStreamResolvedEvent, Kurrent, KurrentDBClient, ResolvedEvent } from './openKurrent.ts';
import { allOf, reaching } from './kurrentFailures.ts';
import { placeIn, positionAt } from './position.ts';

/** How long (ms) the server may look back through other applications' events for the last one of ours. */
const LONG_SEARCH = 120_000;
/** What stands for a place that the server does not know. */
const UNKNOWN = 2n ** 64n - 1n;

type ReadOptions = NonNullable<Parameters<KurrentDBClient['readStream']>[1]>;
type ReadAllOptions = NonNullable<Parameters<KurrentDBClient['readAll']>[0]>;
export type KurrentReads = ReturnType<typeof kurrentReads>;

/** What is read of a log whose streams begin with the prefix: all of it from the leader, as followers lag behind. */
export function kurrentReads({
  kurrent,
  prefix,
  logId,
}: {
  kurrent: Kurrent;
  prefix: string;
  logId: string;
}) {
  const start = positionAt(logId, { commit: 0n, prepare: 0n });
  const ours = { filterOn: 'streamName' as const, prefixes: [prefix], checkpointInterval: 1 };
  let scanned: Position | undefined;
  let newest = start;

  /** An event of ours as the port has it. */
  function recorded({ event }: ResolvedEvent | AllStreamResolvedEvent): Recorded {
    const { id, type, data, metadata, revision, streamId } = event!;
    const stream = streamId.slice(prefix.length);
    // An append to several streams keeps metadata as properties, among which the server has some of its own.
    const own = Object.entries(metadata as Metadata).filter(([name]) => !name.startsWith('$'));
    return {
      id,
      type,
      data,
      metadata: Object.fromEntries(own) as Metadata,
      stream,
      revision: Number(revision),
      position: position(event!),
    };
  }

  function position({ position: place }: Pick<NonNullable<ResolvedEvent['event']>, 'position'>): Position {
    if (!place || place.commit === UNKNOWN)
      throw new Error('the KurrentDB server gives events no positions: 22.6 or newer is needed');
    return positionAt(logId, place);
  }

  /** Events of a stream until their data have so many characters, and whether they do; none where there is no such stream. */
  async function readPart(
    stream: string,
    options: ReadOptions,
    most: number,
  ): Promise<{ events: Recorded[]; isCut: boolean }> {
    return reaching(kurrent, async (client) => {
      let size = 0;
      const isEnough = ({ event }: ResolvedEvent): boolean => {
        if (most !== Infinity) size += JSON.stringify(event!.data).length;
        return size >= most;
      };
      try {
        const reading = client.readStream(prefix + stream, { ...options, requiresLeader: true });
        const events = await allOf(reading, { isEnough });
        return { events: events.map(recorded), isCut: size >= most };
      } catch (error) {
        if ((error as { type?: string }).type === 'stream-not-found') return { events: [], isCut: false };
        throw error;
      }
    });
  }

  /** Events of a stream; none where there is no such stream. */
  async function readStream(stream: string, options: ReadOptions): Promise<Recorded[]> {
    return (await readPart(stream, options, Infinity)).events;
  }

  const readEvents = (options: ReadAllOptions, within?: number): Promise<AllStreamResolvedEvent[]> =>
    reaching(kurrent, (client) => allOf(client.readAll({ ...options, requiresLeader: true }), { within }));

  const readAll = async (options: ReadAllOptions, within?: number): Promise<Position[]> =>
    (await readEvents(options, within)).map(({ event }) => position(event!));

  /**
   * The last event of ours, behind which others' may lie. Looking back for it each time would cost more the longer nothing
   * of ours was appended; so how far the log was searched is kept, and only what came since is looked through.
   */
  async function head(): Promise<Position> {
    const [end = start] = await readAll({ direction: 'backwards', fromPosition: 'end', maxCount: 1 });
    if (scanned !== undefined && end <= scanned) return newest;
    const found =
      scanned === undefined
        ? await readAll(
            { direction: 'backwards', fromPosition: 'end', maxCount: 1, filter: ours },
            LONG_SEARCH,
          )
        : await readAll({ fromPosition: placeIn(scanned, logId), filter: ours }, LONG_SEARCH);
    newest = [newest, ...found].sort().at(-1)!;
    if (scanned === undefined || end > scanned) scanned = end;
    return newest;
  }

  return {
    start,
    recorded,
    readPart,
    readStream,
    head,
    async newest(): Promise<Recorded | undefined> {
      const at = await head();
      if (at === start) return undefined;
      const [last] = await readEvents({ fromPosition: placeIn(at, logId), maxCount: 1, filter: ours });
      return last && recorded(last);
    },
    async readLast(stream: string): Promise<Recorded | undefined> {
      const [last] = await readStream(stream, { direction: 'backwards', fromRevision: 'end', maxCount: 1 });
      return last;
    },
  };
}
