import type { EndpointRequest } from '../http/endpoint.ts';

/** A third party counts from when a request reaches it, which is so many seconds late at most: no answer is waited for longer. */
const MAX_DELAY = 8;

/**
 * When credentials end that last so long (ms): then, or when the caller's own do, whichever comes first; in whole seconds, as tokens and
 * signatures have them.
 */
export function expiryFor({ caller, now }: Pick<EndpointRequest, 'caller' | 'now'>, lifetime: number): Date {
  const end = Math.min(now.getTime() + lifetime, caller.expires?.getTime() ?? Infinity);
  return new Date(end - (end % 1000));
}

/**
 * How many seconds credentials may last that a third party makes: so many at most, and so few that they end no later than the caller's
 * own. Less than 1 where these end too soon.
 */
export function lifetimeFor({ caller, now }: Pick<EndpointRequest, 'caller' | 'now'>, max: number): number {
  if (caller.expires === undefined) return max;
  const left = Math.floor((caller.expires.getTime() - now.getTime()) / 1000);
  return Math.min(left - MAX_DELAY, max);
}
