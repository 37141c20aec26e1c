import type { EndpointRequest } from '../api/endpoint.ts';

/** When credentials end that last so long (ms): then, or when the caller's own do, whichever comes first. */
export function expiryFor({ caller, now }: Pick<EndpointRequest, 'caller' | 'now'>, lifetime: number): Date {
  const end = new Date(now.getTime() + lifetime);
  return caller.expires !== undefined && caller.expires < end ? caller.expires : end;
}
