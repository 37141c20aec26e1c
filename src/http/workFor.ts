import type { WorkFor } from '../process/longWork.ts';
import { requestsSoFar } from '../process/timeSlicing.ts';
import { callerKey } from './callerKey.ts';
import type { EndpointRequest } from './endpoint.ts';

/**
 * The caller to whose share of time the long work of a request counts: the client whose token signed it, else its
 * address.
 */
export function workFor({
  caller,
  origin: { sourceIp },
  signed: { payload },
}: Pick<EndpointRequest, 'caller' | 'origin' | 'signed'>): WorkFor {
  const { clientId, issuer = clientId, expires } = caller;
  // Only unsigned callers have no `expires`.
  const signer = expires === undefined ? undefined : issuer;
  return { caller: callerKey({ signer, sourceIp }), bytes: payload.length, arrived: requestsSoFar() };
}
