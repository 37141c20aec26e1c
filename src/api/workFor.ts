import type { WorkFor } from '../longWork.ts';
import type { EndpointRequest } from './endpoint.ts';

/** For whom a request's long work is done: the client whose token signed it, else the address that it came from. */
export function workFor({
  caller,
  sourceIp,
  payload,
}: Pick<EndpointRequest, 'caller' | 'sourceIp' | 'payload'>): WorkFor {
  const { clientId, issuer = clientId, expires } = caller;
  // Nobody but an unsigned caller has scopes that do not expire.
  const name = expires === undefined ? workOfAddress(sourceIp) : workOfClient(issuer);
  return { caller: name, bytes: payload.length };
}

/** The name of a client in the accounts of long work. */
export function workOfClient(clientId: string): string {
  return `client/${clientId}`;
}

/** The name of an address there. */
export function workOfAddress(sourceIp: string | undefined): string {
  return `address/${sourceIp ?? 'unknown'}`;
}
