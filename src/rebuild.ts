import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Projection, tableOf } from './projection.ts';
import type { Event } from './event.ts';
import { type EventStore, StoreUnavailable } from './eventStore/eventStore.ts';
import { holdLease, type Lease } from './readStore/lease.ts';
import type { ReadStore } from './readStore/readStore.ts';
import { readModel } from './readModel.ts';
import { isAuthStream } from './streams.ts';

/** Rows that are gathered before they are written: it bounds the memory that a rebuild takes. */
const MOST_UNWRITTEN = 5000;
/** How often (each 100 ms) it looks whether it is alone: longer than the lease of one that crashed lasts. */
const MOST_WAITS = 80;

/**
 * Builds a projection's table anew from the log, beside the one that answers, and lets it take over in one step.
 * Whoever answers from the old one goes on until then, and does not notice. `onProgress` is told of the events read.
 * Throws StoreUnavailable while another process does the same.
 */
export async function rebuild<R extends object, E extends Event>(
  projection: Projection<R, E>,
  { eventStore, readStore }: { eventStore: EventStore; readStore: ReadStore },
  onProgress: (events: number) => void,
): Promise<void> {
  const lease = holdLease({ readStore, name: `rebuild ${projection.name}`, holder: randomUUID() });
  try {
    await untilHeld(lease, projection.name);
    await rebuildAlone(projection, { eventStore, readStore }, onProgress);
  } finally {
    await lease.release();
  }
}

async function untilHeld(lease: Lease, name: string): Promise<void> {
  for (let waited = 0; !lease.held(); waited += 1) {
    if (waited >= MOST_WAITS)
      throw new StoreUnavailable(`another process is rebuilding ${name}: wait for it`);
    await sleep(100);
  }
}

async function rebuildAlone<R extends object, E extends Event>(
  projection: Projection<R, E>,
  { eventStore, readStore }: { eventStore: EventStore; readStore: ReadStore },
  onProgress: (events: number) => void,
): Promise<void> {
  const draft = { ...projection, name: `${projection.name}-rebuild` };
  await readStore.dropTable(tableOf(draft));
  const model = readModel(draft, readStore);
  const done = new AbortController();
  let read = 0;
  for await (const { events, position, live } of eventStore.subscribe({ signal: done.signal })) {
    for (const event of events) if (isAuthStream(event.stream)) await model.apply(event);
    onProgress((read += events.length));
    if (!live && model.unwritten < MOST_UNWRITTEN) continue;
    await model.write(position);
    // The old table goes on while this one is built: it takes over once it has come at least as far.
    if (live && (await readStore.replaceTable(tableOf(draft), tableOf(projection)))) done.abort();
  }
}
