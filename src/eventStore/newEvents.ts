import { randomBytes } from 'node:crypto';
import type { NewEvent } from '../event.ts';
import { type Revision, WrongExpectedRevision, type Write } from './eventStore.ts';

/** A fresh name for a log. */
export function newLogId(): string {
  return randomBytes(6).toString('hex');
}

/** What a store knows of the stream that a write is for. */
export type KnownStream = {
  revision: Revision;
  idAt(revision: number): string | undefined;
  revisionOf(id: string): number | undefined;
};

/**
 * What of a write is still to be appended: all of it, or nothing when a first try brought it in already.
 * Throws WrongExpectedRevision when the stream is at another revision than expected, and these events are not why.
 */
export function stillToAppend({ stream, expectedRevision, events }: Write, known: KnownStream): NewEvent[] {
  const isThereFrom = (first: number | undefined): boolean =>
    first !== undefined && events.length > 0 && events.every(({ id }, i) => known.idAt(first + i) === id);
  if (expectedRevision === 'any')
    return isThereFrom(events[0] && known.revisionOf(events[0].id)) ? [] : events;
  if (expectedRevision === known.revision) return events;
  if (isThereFrom(nextRevision(expectedRevision))) return [];
  throw new WrongExpectedRevision(stream, { expected: expectedRevision, actual: known.revision });
}

/** The revision that the next event gets. */
export function nextRevision(revision: Revision): number {
  return revision === 'none' ? 0 : revision + 1;
}
