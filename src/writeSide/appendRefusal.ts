import { ApiError } from '../domain/errors.ts';
import { EventTooLarge } from '../eventStore/eventStore.ts';
import { OutcomeUnknown, StoreFull, StoreUnavailable } from '../storage/storeErrors.ts';
import { FileGone } from '../storage/watchFiles.ts';

/** What callers are told when the stores refuse to write; any other error is given back as it is. */
export function refusalOf(error: unknown): unknown {
  if (error instanceof FileGone || error instanceof StoreFull)
    return new ApiError('ServiceUnavailable', `nothing was changed: ${error.message}`);
  if (error instanceof StoreUnavailable) {
    return new ApiError(
      'ServiceUnavailable',
      'the database cannot be written to right now: nothing was changed, try again',
    );
  }
  // Not ServiceUnavailable, which says that nothing was changed.
  if (error instanceof OutcomeUnknown) {
    return new ApiError(
      'InternalServerError',
      'the database went away while it was written to: the change may have been made or not, so look before you try again' +
        (error.cause instanceof FileGone ? `. ${error.cause.message}` : ''),
    );
  }
  return error instanceof EventTooLarge ? new ApiError('InputTooLarge', error.message) : error;
}
