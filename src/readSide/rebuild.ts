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
import { isPublishedStream } from '../eventStore/streams.ts';

/** About how many bytes of memory an unwritten row takes. */
const ROW_BYTES = 1500;
/**
 * Rows that are gathered before they are written. The more there are, the less often a row that changes again is read
 * and written. They may take half of the heap limit.
 */
const MAX_UNWRITTEN_ROWS = Math.floor(getHeapStatistics().heap_size_limit / 2 / ROW_BYTES);
/** The same beside a service: some tens of megabytes. */
const MAX_UNWRITTEN_ROWS_BESIDE = 20_000;
/** How often (every 100 ms) the leases are checked: for longer than the lease of a crashed process lasts. */
const MAX_LEASE_CHECKS = 80;

type Stores = { eventStore: EventStore; readStore: ReadStore };

/** How a rebuild runs. */
export type RebuildOptions = {
  /** Gets the number of events read and the position. */
  onProgress?(events: number, position: Position): void;
  /** This process also serves requests: it takes little memory and a small share of the time. */
  beside?: boolean;
  /** Gives up, and leaves the tables in use as they are. */
  signal?: AbortSignal;
};

type Draft = { from: string; to: string; model: ReadModel<object> };

/** The table in which a projection is built. Its checkpoint shows how far that has come. */
export function draftTableOf(projection: { name: string; version: number }): string {
  return tableOf(draftOf(projection));
}

function draftOf<P extends { name: string; version: number }>(projection: P): P {
  return { ...projection, name: `${projection.name}-rebuild` };
}

/**
 * Rebuilds the tables of projections from the log, in one pass, beside the tables in use; each new table then replaces
 * the old one in one step. Readers use the old tables until then and notice nothing. Throws StoreUnavailable while
 * another process rebuilds them.
 */
export async function rebuild(
  projections: readonly Projection<object, Event>[],
  stores: Stores,
  options: RebuildOptions = {},
): Promise<void> {
  const { readStore } = stores;
  const leases = projections.map(({ name }) =>
    holdLease({ readStore, name: `rebuild ${name}`, holder: randomUUID() }),
  );
  try {
    for (const [i, { name }] of projections.entries()) await waitForLease(leases[i]!, name);
    await rebuildWithLeases(projections, stores, options);
  } finally {
    for (const lease of leases) await lease.release();
  }
}

async function waitForLease(lease: Lease, name: string): Promise<void> {
  for (let waited = 0; !lease.isHeld(); waited += 1) {
    if (waited >= MAX_LEASE_CHECKS)
      throw new StoreUnavailable(`another process is rebuilding ${name}: wait for it`);
    await sleep(100);
  }
}

async function rebuildWithLeases(
  projections: readonly Projection<object, Event>[],
  { eventStore, readStore }: Stores,
  { onProgress, beside = false, signal }: RebuildOptions,
): Promise<void> {
  const batchSize = beside ? WRITE_BATCH_SIZE : undefined;
  const drafts = projections.map((projection) => ({
    from: draftTableOf(projection),
    to: tableOf(projection),
    model: draftReadModel(draftOf(projection), { store: readStore, batchSize }),
  }));
  for (const { from } of drafts) await readStore.dropTable(from);
  const maxUnwritten = beside ? MAX_UNWRITTEN_ROWS_BESIDE : MAX_UNWRITTEN_ROWS;
  const pause = beside ? makeYielder('background') : async (): Promise<void> => undefined;
  const done = new AbortController();
  const ended = signal ? AbortSignal.any([done.signal, signal]) : done.signal;
  let read = 0;
  for await (const batch of eventStore.subscribe({ signal: ended })) {
    const events = batch.events.filter(({ stream }) => isPublishedStream(stream));
    const unwritten = drafts.reduce((sum, { model }) => sum + model.unwritten, 0);
    for (const { model } of drafts) {
      for (const event of events) model.apply(event);
      if (batch.live || unwritten >= maxUnwritten) await model.write(batch.position);
    }
    onProgress?.((read += batch.events.length), batch.position);
    await pause();
    // The old table advances while the new one is built, and is replaced once the new one has come as far.
    if (batch.live && (await replaceTables(drafts, { eventStore, readStore }, batch.position))) done.abort();
  }
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
