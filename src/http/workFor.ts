import type { WorkFor } from '../process/longWork.ts';
import { callerKey } from './callerKey.ts';
import type { EndpointRequest } from './endpoint.ts';

/** For whom a request's long work is done: the client whose token signed it, else the address that it came from. */
export function workFor({
  caller,
  origin: { sourceIp },
  signed: { payload },
}: Pick<EndpointRequest, 'caller' | 'origin' | 'signed'>): WorkFor {
  const { clientId, issuer = clientId, expires } = caller;
  // Nobody but an unsigned caller has scopes that do not expire.
  const signer = expires === undefined ? undefined : issuer;
  return { caller: callerKey({ signer, sourceIp }), bytes: payload.length };
}
