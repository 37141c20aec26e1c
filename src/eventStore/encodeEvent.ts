import { MAX_EVENT_BYTES } from '../../schemas/constants.ts';
import type { Event, Metadata } from '../event.ts';
import { EventTooLarge } from './eventStore.ts';

/**
 * An event's data and metadata in stored form (JSON). Throws EventTooLarge if they are longer than the engines accept.
 */
export function encodeEvent(
  event: Event & { metadata?: Metadata },
  metadata: Metadata,
): { data: string; metadata: string } {
  const encoded = { data: JSON.stringify(event.data), metadata: JSON.stringify(event.metadata ?? metadata) };
  const bytes = Buffer.byteLength(encoded.data) + Buffer.byteLength(encoded.metadata);
  if (bytes > MAX_EVENT_BYTES) {
    throw new EventTooLarge(
      `an event of type ${event.type} would be ${bytes} bytes long; at most ${MAX_EVENT_BYTES} are possible`,
    );
  }
  return encoded;
}
