import { auditedTypes } from '../../projections/auditEntry.ts';
import type { Recorded } from '../event.ts';
import type { Batch } from '../eventStore/eventStore.ts';
import { isAuthStream, isPublishedStream } from '../eventStore/streams.ts';
import { UnknownEvent } from '../eventStore/unknownEvent.ts';

const known = new Set<string>(auditedTypes);

/** The events of a batch that read models are made of. Throws UnknownEvent for one that this release cannot read. */
export function publishedEvents(batch: Batch): Recorded[] {
  const events = batch.events.filter(({ stream }) => isPublishedStream(stream));
  const unknown = events.find(({ stream, type }) => isAuthStream(stream) && !known.has(type));
  if (unknown) throw new UnknownEvent(unknown);
  return events;
}
