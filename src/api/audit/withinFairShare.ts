import type { EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork } from '../../process/longWork.ts';

/** The most time (ms) that a page is charged for. Anything longer was spent waiting. */
const MAX_CHARGE = 50;

/**
 * Makes a page within the fair share of time of its caller, so that reading many long pages does not starve other
 * callers.
 */
export async function withinFairShare(
  longWork: Pick<LongWork, 'untilReady' | 'charge'>,
  request: EndpointRequest,
  makePage: () => Promise<EndpointReply>,
): Promise<EndpointReply> {
  const owner = workFor(request);
  await longWork.untilReady(owner);
  const began = performance.now();
  const page = await makePage();
  longWork.charge(owner, Math.min(performance.now() - began, MAX_CHARGE));
  return page;
}
