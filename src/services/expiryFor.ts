import type { EndpointRequest } from '../http/endpoint.ts';

/**
 * When credentials end that last so long (ms): then, or when the caller's own do, whichever comes first; in whole seconds, as tokens and
 * signatures have them.
 */
export function expiryFor({ caller, now }: Pick<EndpointRequest, 'caller' | 'now'>, lifetime: number): Date {
  const end = Math.min(now.getTime() + lifetime, caller.expires?.getTime() ?? Infinity);
  return new Date(end - (end % 1000));
}
