import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { type Projection, tableOf } from '../projection.ts';
import type { Event, Position } from '../event.ts';
import { type EventStore } from '../eventStore/eventStore.ts';
import { makeYielder } from '../process/timeSlicing.ts';
import { StoreUnavailable } from '../storage/storeErrors.ts';
import { holdLease, type Lease } from '../readStore/lease.ts';
import type { ReadStore } from '../readStore/readStore.ts';
import { draftReadModel, type ReadModel, WRITE_BATCH_SIZE } from './readModel.ts';
import { publishedEvents } from './publishedEvents.ts';

/** About how many bytes of memory an unwritten row takes. */
const ROW_BYTES = 1500;
/**
 * Rows that are gathered before they are written. The more there are, the less often a row that changes again is read
 * and written. They may take half of the heap limit.
 */
const MAX_UNWRITTEN_ROWS = Math.floor(getHeapStatistics().heap_size_limit / 2 / ROW_BYTES);
/**
 * The same of a table whose rows are never read again. They leave their place to the others, and are sorted in about
 * a second: the leases must be renewed in between.
 */
const MAX_UNWRITTEN_OF_FORGETTING = 500_000;
/** The same beside a service: some tens of megabytes. */
const MAX_UNWRITTEN_ROWS_BESIDE = 20_000;
/** How often (ms) a lease is looked at while it is awaited, and how long: longer than that of a crashed process lasts. */
const LEASE_CHECK_INTERVAL = 20;
const LEASE_TIMEOUT = 8000;

type Stores = { eventStore: EventStore; readStore: ReadStore };

/** How a rebuild runs. */
export type RebuildOptions = {
  /** Gets the number of events read and the position. */
  onProgress?(events: number, position: Position): void;
  /** This process also serves requests: it takes little memory and a small share of the time. */
  beside?: boolean;
  /** Takes over what other attempts have built: leaves out tables that exist, and goes on with unfinished ones. */
  resume?: boolean;
  /** Gives up, and leaves the tables in use as they are. */
  signal?: AbortSignal;
};

/** Another process rebuilds the same tables. */
export class RebuiltElsewhere extends StoreUnavailable {}

type Draft = { projection: Projection<object, Event>; from: string; to: string; model: ReadModel<object> };

/** The table in which a projection is built. Its checkpoint shows how far that has come. */
export function draftTableOf(projection: { name: string; version: number }): string {
  return tableOf(draftOf(projection));
}

function draftOf<P extends { name: string; version: number }>(projection: P): P {
  return { ...projection, name: `${projection.name}-rebuild` };
}

/**
 * Rebuilds the tables of projections from the log, in one pass, beside the tables in use; each new table then replaces
 * the old one in one step. Readers use the old tables until then and notice nothing. Throws RebuiltElsewhere while
 * another process rebuilds them, UnknownEvent for an event that this release cannot read.
 */
export async function rebuild(
  projections: readonly Projection<object, Event>[],
  stores: Stores,
  options: RebuildOptions = {},
): Promise<void> {
  const { readStore } = stores;
  const names = projections.map(({ name }) => name).sort();
  const leases: Lease[] = [];
  try {
    // Who has the first one tries for the others, so that two processes with the same wish never wait for each other.
    for (const some of [names.slice(0, 1), names.slice(1)]) {
      const claimed = some.map((name) =>
        holdLease({ readStore, name: `rebuild ${name}`, holder: randomUUID() }),
      );
      leases.push(...claimed);
      for (const [i, lease] of claimed.entries())
        await waitForLease(lease, { name: some[i]!, signal: options.signal });
    }
    const wanted = options.resume ? await missingOf(projections, readStore) : projections;
    const areHeld = (): boolean => leases.every((lease) => lease.isHeld());
    if (wanted.length > 0 && !options.signal?.aborted)
      await rebuildWhileHeld(wanted, { ...stores, areHeld }, options);
  } finally {
    // One that cannot be released now runs out.
    await Promise.allSettled(leases.map((lease) => lease.release()));
  }
}

async function waitForLease(
  lease: Lease,
  { name, signal }: { name: string; signal: AbortSignal | undefined },
): Promise<void> {
  const deadline = performance.now() + LEASE_TIMEOUT;
  while (!lease.isHeld() && !signal?.aborted) {
    if (performance.now() > deadline)
      throw new RebuiltElsewhere(`another process is rebuilding ${name}: wait for it`);
    await sleep(LEASE_CHECK_INTERVAL);
  }
}

/** The projections that have no table yet. */
async function missingOf(
  projections: readonly Projection<object, Event>[],
  readStore: ReadStore,
): Promise<Projection<object, Event>[]> {
  const checkpoints = await Promise.all(projections.map((each) => readStore.checkpoint(tableOf(each))));
  return projections.filter((_, i) => checkpoints[i] === undefined);
}

async function rebuildWhileHeld(
  projections: readonly Projection<object, Event>[],
  { eventStore, readStore, areHeld }: Stores & { areHeld(): boolean },
  { onProgress, beside = false, resume = false, signal }: RebuildOptions,
): Promise<void> {
  const batchSize = beside ? WRITE_BATCH_SIZE : undefined;
  if (!resume) for (const each of projections) await readStore.dropTable(draftTableOf(each));
  const checkpoints = await Promise.all(projections.map((each) => readStore.checkpoint(draftTableOf(each))));
  const after = checkpoints.map((checkpoint) => checkpoint ?? eventStore.start).sort()[0];
  const drafts = projections.map((projection) => ({
    projection,
    from: draftTableOf(projection),
    to: tableOf(projection),
    model: draftReadModel(draftOf(projection), { store: readStore, isNew: !resume, batchSize }),
  }));
  const due = beside ? dueBeside : dueAlone;
  const pause = beside ? makeYielder('background') : async (): Promise<void> => undefined;
  const done = new AbortController();
  const ended = signal ? AbortSignal.any([done.signal, signal]) : done.signal;
  let read = 0;
  for await (const batch of eventStore.subscribe({ after, signal: ended })) {
    const events = publishedEvents(batch);
    for (const { model } of drafts) for (const event of events) model.apply(event);
    for (const { model } of batch.live ? drafts : due(drafts)) await model.write(batch.position, areHeld);
    // The process was frozen, or the store away, for so long that another one may have begun the same drafts anew.
    if (!areHeld())
      throw new RebuiltElsewhere('this process lost its lease: another one may rebuild the same');
    onProgress?.((read += batch.events.length), batch.position);
    await pause();
    // The old table advances while the new one is built, and is replaced once the new one has come as far.
    if (batch.live && (await replaceTables(drafts, { eventStore, readStore }, batch.position))) done.abort();
  }
}

/** The drafts to be written now, beside a service: all of them, so that another attempt can go on from there. */
function dueBeside(drafts: readonly Draft[]): readonly Draft[] {
  return rowsUnwritten(drafts) >= MAX_UNWRITTEN_ROWS_BESIDE ? drafts : [];
}

function dueAlone(drafts: readonly Draft[]): readonly Draft[] {
  if (rowsUnwritten(drafts) >= MAX_UNWRITTEN_ROWS) return drafts;
  return drafts.filter(
    ({ projection, model }) => projection.forgetsFormer && model.unwritten >= MAX_UNWRITTEN_OF_FORGETTING,
  );
}

function rowsUnwritten(drafts: readonly Draft[]): number {
  return drafts.reduce((sum, { model }) => sum + model.unwritten, 0);
}

/**
 * Whether all tables were replaced; otherwise there are more events to read after the position. Replaced ones leave
 * `drafts`.
 */
async function replaceTables(
  drafts: Draft[],
  { eventStore, readStore }: Stores,
  position: Position,
): Promise<boolean> {
  for (;;) {
    const replaced = await Promise.all(
      drafts.map(async (draft) => ((await readStore.replaceTable(draft.from, draft.to)) ? draft : undefined)),
    );
    for (const draft of replaced) if (draft) drafts.splice(drafts.indexOf(draft), 1);
    if (drafts.length === 0) return true;
    const checkpoints = await Promise.all(drafts.map(({ to }) => readStore.checkpoint(to)));
    // Read after the checkpoints: if the head is not beyond the position, no event lies between it and the old
    // checkpoints.
    if ((await eventStore.head()) > position) return false;
    await Promise.all(drafts.map(({ from }, i) => readStore.commit(from, [], checkpoints[i])));
  }
}
