import { MAX_APPEND_BYTES, MAX_EVENT_BYTES } from '../../schemas/constants.ts';
import type { Event, Metadata } from '../event.ts';
import { EventTooLarge, type Write } from './eventStore.ts';

/** An event's data and metadata in stored form (JSON). */
export type EncodedEvent = { data: string; metadata: string };

/** What an event counts in the limit of an append besides its data and metadata: its id, type and stream. */
const EVENT_OVERHEAD_BYTES = 256;

/** Throws EventTooLarge if the event is longer than MAX_EVENT_BYTES. */
export function encodeEvent(event: Event & { metadata?: Metadata }, metadata: Metadata): EncodedEvent {
  const encoded = { data: JSON.stringify(event.data), metadata: JSON.stringify(event.metadata ?? metadata) };
  const bytes = lengthOf(encoded);
  if (bytes > MAX_EVENT_BYTES) {
    throw new EventTooLarge(
      `an event of type ${event.type} would be ${bytes} bytes long; at most ${MAX_EVENT_BYTES} are possible`,
    );
  }
  return encoded;
}

/** What an event counts in the limit of an append, MAX_APPEND_BYTES. */
export function bytesInAppend(encoded: EncodedEvent): number {
  return lengthOf(encoded) + EVENT_OVERHEAD_BYTES;
}

/**
 * The writes of an append with their events in stored form. Throws InvalidEvent, or EventTooLarge if an event or all of
 * them together are too large for one append.
 */
export function encodeWrites(
  writes: readonly Write[],
  { metadata, validate }: { metadata: Metadata; validate(event: Event): void },
): (Write & { encoded: EncodedEvent[] })[] {
  let bytes = 0;
  const encodedWrites = writes.map((write) => {
    const encoded = write.events.map((event) => {
      validate(event);
      return encodeEvent(event, metadata);
    });
    for (const each of encoded) bytes += bytesInAppend(each);
    return { ...write, encoded };
  });
  if (bytes > MAX_APPEND_BYTES) {
    throw new EventTooLarge(
      `the events of one change would be ${bytes} bytes long together; at most ${MAX_APPEND_BYTES} are possible`,
    );
  }
  return encodedWrites;
}

function lengthOf({ data, metadata }: EncodedEvent): number {
  return Buffer.byteLength(data) + Buffer.byteLength(metadata);
}
