import type { Projection } from './projection.ts';
import { tableOf } from './projection.ts';
import type { Event } from './event.ts';
import type { EventStore } from './eventStore/eventStore.ts';
import type { ReadStore } from './readStore/readStore.ts';
import { readModel } from './readModel.ts';
import { isAuthStream } from './streams.ts';

/** Rows that are gathered before they are written: it bounds the memory that a rebuild takes. */
const MOST_UNWRITTEN = 5000;

/**
 * Builds a projection's table anew from the log, beside the one that answers, and lets it take over in one step.
 * Whoever answers from the old one goes on until then, and does not notice. `onProgress` is told of the events read.
 */
export async function rebuild<R extends object, E extends Event>(
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
