import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Event, Position } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { approximateProgress, UnknownPosition } from '../eventStore/position.ts';
import { UnknownEvent } from '../eventStore/unknownEvent.ts';
import { makeYielder } from '../process/timeSlicing.ts';
import type { Projection } from '../projection.ts';
import type { ReadStore } from '../readStore/readStore.ts';
import { FileGone } from '../storage/watchFiles.ts';
import { publishedEvents } from './publishedEvents.ts';
import type { ReadModel } from './readModel.ts';
import { draftTableOf, rebuild, RebuiltElsewhere } from './rebuild.ts';

/** Rows in memory at which tables that catch up are written, or wait for the node that writes them. */
const MAX_UNWRITTEN = 20_000;
/** How often (ms) a node looks whether another one has built a table. */
const POLL_INTERVAL = 500;
/** How long (ms) it waits after an error. */
const RETRY_DELAY = 5000;

/** A table with this node's view of it. */
export type Table = { projection: Projection<object, Event>; model: ReadModel<object> };

type Parts = {
  eventStore: EventStore;
  readStore: ReadStore;
  log: Logger;
  signal: AbortSignal;
  /** Gets how far building them has come, from 0 to 1. */
  onProgress(share: number): void;
  /** Whether this node writes the tables. */
  isWriter(): boolean;
  /**
   * Hands the tables over to the projector, which applies all later events to them. Returns false, having done nothing,
   * if the projector is beyond the position that they have come to.
   */
  join(tables: readonly Table[], position: Position): boolean;
};

/**
 * Brings tables that are missing, as after an update to a release that adds them, or far behind, up to the log while
 * this node serves: missing ones are built by one of the nodes, then each node reads the events that the tables lack.
 * Ends when they have joined the projector's, or the signal aborts. An error is logged, and it tries again. Throws
 * UnknownEvent for an event that this release cannot read, UnknownPosition if a table is of another log.
 */
export async function bringUpLateTables(tables: readonly Table[], parts: Parts): Promise<void> {
  const { log, signal } = parts;
  const names = tables.map(({ model }) => model.table).join(', ');
  log.info(
    { tables: names },
    'read models are built from the log: methods that need them answer 503 until then',
  );
  while (!signal.aborted) {
    try {
      await buildMissing(tables, parts);
      if (await catchUp(tables, parts)) log.info({ tables: names }, 'read models are complete');
      return;
    } catch (error) {
      // Of files that are gone, whoever ends the process reports.
      if (signal.aborted || error instanceof FileGone) return;
      if (error instanceof UnknownEvent || error instanceof UnknownPosition) throw error;
      log.warn({ err: error, tables: names }, 'building read models failed: trying again');
      await sleep(RETRY_DELAY, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}

function share(at: Position, head: Position): number {
  return approximateProgress(at) / approximateProgress(head);
}

/** Builds those that have no checkpoint, or waits until another process has built them. */
async function buildMissing(tables: readonly Table[], parts: Parts): Promise<void> {
  const { eventStore, readStore, signal, onProgress } = parts;
  while (!signal.aborted) {
    const checkpoints = await Promise.all(tables.map(({ model }) => model.checkpoint()));
    const missing = tables.flatMap(({ projection }, i) => (checkpoints[i] === undefined ? [projection] : []));
    if (missing.length === 0) return;
    const head = await eventStore.head();
    try {
      const options = {
        beside: true,
        resume: true,
        signal,
        onProgress: (_: number, at: Position) => onProgress(share(at, head)),
      };
      await rebuild(missing, { eventStore, readStore }, options);
    } catch (error) {
      if (!(error instanceof RebuiltElsewhere)) throw error;
      // Another process builds them.
      onProgress(share((await readStore.checkpoint(draftTableOf(missing[0]!))) ?? eventStore.start, head));
      await sleep(POLL_INTERVAL, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}

/** Applies the events after the tables' checkpoints until the projector takes over. Returns whether it did. */
async function catchUp(tables: readonly Table[], parts: Parts): Promise<boolean> {
  const { eventStore, signal, isWriter, join, onProgress } = parts;
  const checkpoints = await Promise.all(tables.map(({ model }) => model.checkpoint()));
  if (signal.aborted) return false;
  const after = checkpoints.map((checkpoint) => checkpoint ?? eventStore.start).sort()[0];
  const head = await eventStore.head();
  const pause = makeYielder('background');
  const models = tables.map(({ model }) => model);
  for await (const batch of eventStore.subscribe({ after, signal })) {
    for (const event of publishedEvents(batch)) for (const model of models) model.apply(event);
    if (join(tables, batch.position)) return true;
    onProgress(share(batch.position, head));
    while (Math.max(...models.map((model) => model.unwritten)) > MAX_UNWRITTEN && !signal.aborted) {
      for (const model of models) {
        if (isWriter()) await model.write(batch.position, isWriter);
        else model.settle((await model.checkpoint()) ?? '');
      }
      if (!isWriter()) await sleep(100);
    }
    await pause();
  }
  return false;
}
