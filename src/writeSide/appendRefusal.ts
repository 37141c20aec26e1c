import { ApiError } from '../domain/errors.ts';
import { EventTooLarge } from '../eventStore/eventStore.ts';
import {
  DAMAGED,
  OutcomeUnknown,
  StoreDamaged,
  StoreFull,
  StoreUnavailable,
} from '../storage/storeErrors.ts';
import { FileGone } from '../storage/watchFiles.ts';

/** Translates a store's refusal of a write into the error for the caller; returns any other error unchanged. */
export function refusalOf(error: unknown): unknown {
  if (error instanceof FileGone || error instanceof StoreFull)
    return new ApiError('ServiceUnavailable', `nothing was changed: ${error.message}`);
  if (error instanceof StoreDamaged) {
    return new ApiError('ServiceUnavailable', `nothing was changed: ${DAMAGED}`);
  }
  if (error instanceof StoreUnavailable) {
    return new ApiError(
      'ServiceUnavailable',
      'the database cannot be written to right now: nothing was changed, try again',
    );
  }
  // Not ServiceUnavailable: that promises that nothing was changed.
  if (error instanceof OutcomeUnknown) {
    return new ApiError(
      'InternalServerError',
      'the database went away while it was written to: the change may have been made or not, so look before you try again' +
        (error.cause instanceof FileGone ? `. ${error.cause.message}` : ''),
    );
  }
  return error instanceof EventTooLarge ? new ApiError('InputTooLarge', error.message) : error;
}
