const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** What GitHub answered to a request. Names of headers are in lower case. */
export type GithubAnswer = {
  status: number;
  headers: Record<string, string | number | undefined>;
  data: unknown;
};

/**
 * For how long (s) GitHub takes no more requests of whoever got this answer; undefined where it says no such thing. The rules are those
 * of https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
 */
export function githubLimit({ status, headers, data }: GithubAnswer, now: Date): number | undefined {
  const { 'retry-after': seconds, 'x-ratelimit-remaining': remaining, 'x-ratelimit-reset': reset } = headers;
  const isLimited =
    status === 429 || (status === 403 && (seconds !== undefined || remaining === '0' || isSecondary(data)));
  if (!isLimited) return undefined;
  const waits = [Number(seconds) * 1000, remaining === '0' ? Number(reset) * 1000 - now.getTime() : NaN];
  const wait = waits.find((each) => each > 0 && each < DAY) ?? MINUTE;
  return Math.ceil(wait / 1000);
}

/** Limits that are not announced by headers are told of in words. */
function isSecondary(data: unknown): boolean {
  const { message } = (data ?? {}) as { message?: unknown };
  return typeof message === 'string' && message.toLowerCase().includes('secondary rate limit');
}
