import { refuseArguments } from '../domain/errors.ts';
import type { FormerStates } from '../readSide/formerStates.ts';
import type { Moment, Moments } from '../readSide/moments.ts';
import type { State } from '../readSide/state.ts';
import type { EndpointRequest } from './endpoint.ts';
import { isDateTime } from './isDateTime.ts';
import { invalidContinuationToken, type PagedMoment, pageStart } from './pagination.ts';
import { workFor } from './workFor.ts';

/**
 * The state that a request asks about: the present, or that of the moment in its parameter `at` (or in `at` of its body).
 * `paged` is what continuation tokens carry, so that all pages are of one moment.
 */
export type RequestedState = (
  request: EndpointRequest,
  body?: { at?: string; continuationToken?: string },
) => Promise<State & { paged: PagedMoment | undefined }>;

/** How far (ms) the clocks of nodes may differ: a node takes tokens of another one that is ahead. */
const MAX_SKEW = 60_000;

type Parts = { present: State; formerStates: FormerStates; moments: Moments };

/** Finds the states that requests ask about. They throw InvalidRequestArguments for an `at` that is not of this log. */
export function makeRequestedState({ present, formerStates, moments }: Parts): RequestedState {
  return async (request, asked = request.query) => {
    const { at, continuationToken } = asked;
    const { key, moment: paged } = pageStart(continuationToken);
    if (at === undefined) {
      if (paged) refuseOther(`needs at=${paged.at}, as the first page had it`);
      return { ...present, paged: undefined };
    }
    if (key !== undefined && !paged) refuseOther('is of a list of the present: it goes without at');
    if (paged && at !== paged.at && at !== paged.position) refuseOther(`goes with at=${paged.at}`);
    if (paged && isDateTime(at) && !isPast(new Date(at), request.now)) invalidContinuationToken();
    const moment = paged
      ? { ...(await moments.atPosition(paged.position)), ...(isDateTime(at) && { time: new Date(at) }) }
      : await momentNamed(moments, at, request.now);
    return { ...formerStates(moment, workFor(request)), paged: { position: moment.position, at } };
  };
}

/** Whether a time in a token can have been one of the past, or the present, when this service made the token. */
export function isPast(time: Date, now: Date): boolean {
  return time.getTime() <= now.getTime() + MAX_SKEW;
}

/** The moment that a position or a time names. Throws InvalidRequestArguments like `Moments`. */
export function momentNamed(moments: Moments, at: string, now: Date): Promise<Moment> {
  return isDateTime(at) ? moments.atTime(new Date(at), now) : moments.atPosition(at);
}

function refuseOther(why: string): never {
  refuseArguments(`this continuationToken ${why}`);
}
