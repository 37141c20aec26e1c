import type { EndpointRequest } from '../http/endpoint.ts';

/**
 * A third party counts a lifetime from when it receives the request: at most this much (s) later, the time limit of a
 * request.
 */
const MAX_DELAY = 8;

/**
 * The end of credentials with a lifetime in ms, or the end of the caller's own credentials if that is earlier. It is a
 * whole second, because tokens and signatures count in seconds.
 */
export function expiryFor({ caller, now }: Pick<EndpointRequest, 'caller' | 'now'>, lifetime: number): Date {
  const end = Math.min(now.getTime() + lifetime, caller.expires?.getTime() ?? Infinity);
  return new Date(end - (end % 1000));
}

/**
 * The lifetime (s) to request for credentials that a third party creates: at most `max`, and short enough that they end
 * no later than the caller's own. It is less than 1 if these end too soon.
 */
export function lifetimeFor({ caller, now }: Pick<EndpointRequest, 'caller' | 'now'>, max: number): number {
  if (caller.expires === undefined) return max;
  const left = Math.floor((caller.expires.getTime() - now.getTime()) / 1000);
  return Math.min(left - MAX_DELAY, max);
}
