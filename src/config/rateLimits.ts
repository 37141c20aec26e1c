/** A token bucket: a burst of `quota` requests, refilled evenly within `seconds`. */
export type Quota = { quota: number; seconds: number };

/** The quotas of a caller; undefined: no limit. */
export type RateLimits = {
  /** All requests except `authenticateHawk` and health checks. */
  requests: Quota | undefined;
  /** Requests for credentials of guarded services. They also count as `requests`. */
  credentials: Quota | undefined;
  /** Requests of `authenticateHawk`. */
  authenticate: Quota | undefined;
};
