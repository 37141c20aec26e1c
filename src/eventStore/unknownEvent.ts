import type { Recorded } from '../event.ts';

/** An event that this release cannot read, and must not skip: that would grant, deny or report wrongly. */
export class UnknownEvent extends Error {
  constructor({ position, stream, type }: Recorded) {
    super(
      `event ${position} in stream ${stream} is of type ${type}, which this release cannot read: run a newer one`,
    );
  }
}
