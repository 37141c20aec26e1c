import type { NewEvent } from '../event.ts';
import { nextRevision, type Revision, WrongExpectedRevision, type Write } from './eventStore.ts';

/** A stream as a store has it; `idAt` and `revisionOf` look up its stored events. */
export type StreamState = {
  revision: Revision;
  idAt(revision: number): string | undefined;
  revisionOf(id: string): number | undefined;
};

/**
 * The events of a write that are still to be appended: all of them, or none if an earlier try has stored them already.
 * Throws WrongExpectedRevision if the stream is at another revision than expected, and not because of these events.
 */
export function eventsToAppend({ stream, expectedRevision, events }: Write, state: StreamState): NewEvent[] {
  const areStoredFrom = (first: number | undefined): boolean =>
    first !== undefined && events.length > 0 && events.every(({ id }, i) => state.idAt(first + i) === id);
  if (expectedRevision === 'any')
    return areStoredFrom(events[0] && state.revisionOf(events[0].id)) ? [] : events;
  if (expectedRevision === state.revision) return events;
  if (areStoredFrom(nextRevision(expectedRevision))) return [];
  throw new WrongExpectedRevision(stream, { expected: expectedRevision, actual: state.revision });
}
