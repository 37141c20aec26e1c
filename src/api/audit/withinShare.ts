import type { EndpointReply, EndpointRequest } from '../../http/endpoint.ts';
import { workFor } from '../../http/workFor.ts';
import type { LongWork } from '../../process/longWork.ts';

/** How long (ms) making a page is taken to last at most: the rest of the time was waiting. */
const MOST_FOR_PAGE = 50;

/** Whoever reads one long page after the other does so within its share of the time. */
export async function withinShare(
  longWork: Pick<LongWork, 'untilReady' | 'charge'>,
  request: EndpointRequest,
  makePage: () => Promise<EndpointReply>,
): Promise<EndpointReply> {
  const whom = workFor(request);
  await longWork.untilReady(whom);
  const began = performance.now();
  const page = await makePage();
  longWork.charge(whom, Math.min(performance.now() - began, MOST_FOR_PAGE));
  return page;
}
