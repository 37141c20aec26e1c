/** The store cannot be used right now, and the operation did not happen. Any store may throw it. */
export class StoreUnavailable extends Error {}

/** The disk that the store is on is full. */
export class StoreFull extends StoreUnavailable {}

/** What callers are told of a damaged store; the log and the command line name the file. */
export const DAMAGED = 'a database is damaged: whoever runs this service has to act';

/** A file of the store is damaged. It stays damaged until somebody restores or removes it. */
export class StoreDamaged extends StoreUnavailable {
  file: string;
  constructor(file: string, reason: string) {
    super(`${file} is damaged: ${reason}`);
    this.file = file;
  }
}

/**
 * The store became unavailable during an append and did not recover in time to tell whether the append happened. It is
 * safe to append the same events with the same ids again.
 */
export class OutcomeUnknown extends Error {}
