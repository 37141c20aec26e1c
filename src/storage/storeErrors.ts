/** The store cannot be used right now, and what was asked of it did not happen. Any store may throw it. */
export class StoreUnavailable extends Error {}

/** The disk that the store is on has no space left for it. */
export class StoreFull extends StoreUnavailable {}

/** What the store keeps in a file is not as it was written: it stays so until somebody restores or removes that file. */
export class StoreDamaged extends StoreUnavailable {
  file: string;
  constructor(file: string, reason: string) {
    super(`${file} is damaged: ${reason}`);
    this.file = file;
  }
}

/**
 * The store went away while it was appended to, and did not come back in time to say what came of it. It is safe to append the
 * same events with the same ids again.
 */
export class OutcomeUnknown extends Error {}
