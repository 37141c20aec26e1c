import type { RateLimits } from '../config/rateLimits.ts';
import { RateLimited } from '../domain/errors.ts';
import { callerKey } from './callerKey.ts';
import type { Endpoint } from './endpoint.ts';
import type { TrustProxy } from './requestOrigin.ts';
import { makeTokenBuckets } from './tokenBuckets.ts';
import { type Quota } from '../config/rateLimits.ts';

/** About how many bytes the buckets of a limit may take, for clients and for addresses each. */
const MAX_BUCKET_BYTES = 5_000_000;

/** The caller of a request: the client that signed it, by a verified signature, and its source address. */
export type CountedCaller = { signer?: string; sourceIp?: string };

/** Counts a request. Throws RateLimited if its caller has used up a quota. */
export type CountRequest = (endpoint: Pick<Endpoint, 'quota'>, caller: CountedCaller) => void;

/**
 * Counts requests in the memory of this process; several processes count separately. Callers are told apart by
 * `callerKey`. Unsigned requests from a trusted address are not counted. Clients and addresses have separate buckets,
 * so that requests from many addresses never evict, and so refill, the bucket of a client.
 */
export function makeCountRequest(limits: RateLimits, { isTrusted }: { isTrusted: TrustProxy }): CountRequest {
  const ofRequests = makeCounter('default', 'RATE_LIMIT', limits.requests);
  const ofCredentials = makeCounter('credentials', 'RATE_LIMIT_CREDENTIALS', limits.credentials);
  const ofAuthenticate = makeCounter('authenticate', 'RATE_LIMIT_AUTHENTICATE', limits.authenticate);

  function counterFor({ quota }: Pick<Endpoint, 'quota'>) {
    if (quota === 'authenticate') return ofAuthenticate;
    return quota === 'none' ? undefined : ofRequests;
  }

  return function countRequest(endpoint, caller) {
    const count = counterFor(endpoint);
    const countGiven = endpoint.quota === 'credentials' ? ofCredentials : undefined;
    if (!count && !countGiven) return;
    const { signer, sourceIp } = caller;
    if (signer === undefined && sourceIp !== undefined && isTrusted(sourceIp, 0)) return;
    count?.(caller);
    countGiven?.(caller);
  };
}

function makeCounter(name: string, setting: string, quota: Quota | undefined) {
  if (!quota) return undefined;
  const ofClients = makeTokenBuckets(quota, { maxBytes: MAX_BUCKET_BYTES });
  const ofAddresses = makeTokenBuckets(quota, { maxBytes: MAX_BUCKET_BYTES });
  return (caller: CountedCaller): void => {
    const take = caller.signer === undefined ? ofAddresses : ofClients;
    const wait = take(callerKey(caller));
    if (wait > 0) throw new RateLimited({ name, setting, ...quota }, wait);
  };
}
