/** So many requests at once, and as many again spread over so many seconds. */
export type Quota = { quota: number; seconds: number };

/** The quotas of a caller; undefined: there is no limit of that kind. */
export type RateLimits = {
  /** Of all requests but those of `authenticateHawk`, and those that ask whether the service is there. */
  requests: Quota | undefined;
  /** Of credentials that guarded services give; these requests count for the first one, too. */
  credentials: Quota | undefined;
  /** Of `authenticateHawk`. */
  authenticate: Quota | undefined;
};
