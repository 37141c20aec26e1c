import { ApiError } from './domain/errors.ts';
import type { EventStore } from './eventStore/eventStore.ts';
import type { Projector } from './project.ts';

/**
 * What a request waits for before it is answered: that this node has everything that is in the log, and, where the
 * caller names a position with Auth-At-Least, that one too. Throws InvalidRequestArguments for a position that is
 * malformed or another log's, ServiceUnavailable when it is not reached within 5 s.
 */
export function makeFresh({ eventStore, projector }: { eventStore: EventStore; projector: Projector }) {
  return async function fresh(atLeast?: string): Promise<void> {
    if (atLeast !== undefined) checkPosition(atLeast, eventStore.start);
    await projector.fresh();
    if (atLeast !== undefined && !(await projector.reach(atLeast))) {
      throw new ApiError(
        'ServiceUnavailable',
        `this node did not reach the position ${atLeast} in time: try again`,
      );
    }
  };
}

function checkPosition(position: string, start: string): void {
  const [logId, digits] = start.split('.') as [string, string];
  const expected = new RegExp(`^${logId}\\.[0-9]{${digits.length}}$`);
  if (!expected.test(position)) {
    throw new ApiError(
      'InvalidRequestArguments',
      'Auth-At-Least must be a position of this log, as Auth-Position in an earlier reply gave it',
    );
  }
}
