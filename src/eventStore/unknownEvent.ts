import type { Recorded } from '../event.ts';

/** An event that this release cannot read, where skipping it would grant, deny or tell wrongly. */
export class UnknownEvent extends Error {
  constructor({ position, stream, type }: Recorded) {
    super(
      `event ${position} in stream ${stream} is of type ${type}, which this release cannot read: run a newer one`,
    );
  }
}
