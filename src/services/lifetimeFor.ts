import type { EndpointRequest } from '../http/endpoint.ts';

/** A third party counts from when a request reaches it, which is so many seconds late at most: no answer is waited for longer. */
const LATE = 8;

/**
 * How many seconds credentials may last that a third party makes: so many at most, and so few that they end no later than the caller's
 * own. Less than 1 where these end too soon.
 */
export function lifetimeFor({ caller, now }: Pick<EndpointRequest, 'caller' | 'now'>, most: number): number {
  if (caller.expires === undefined) return most;
  const left = Math.floor((caller.expires.getTime() - now.getTime()) / 1000);
  return Math.min(left - LATE, most);
}
