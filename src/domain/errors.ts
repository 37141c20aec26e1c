import type { Position } from '../event.ts';

/** The HTTP status of every error code in replies. The codes are the Taskcluster API's and three of our own. */
const STATUS_OF = {
  MalformedPayload: 400,
  InvalidRequestArguments: 400,
  InputValidationError: 400,
  InputError: 400,
  AuthenticationFailed: 401,
  InsufficientScopes: 403,
  ResourceNotFound: 404,
  RequestConflict: 409,
  ResourceExpired: 410,
  InputTooLarge: 413,
  TooManyRequests: 429,
  InternalServerError: 500,
  BadGateway: 502,
  ServiceUnavailable: 503,
  GatewayTimeout: 504,
} as const;

export type ErrorCode = keyof typeof STATUS_OF;
export const ERROR_CODES = Object.keys(STATUS_OF) as ErrorCode[];

/**
 * A refusal with a documented code. Its message and details are shown to the caller, so they never contain a secret. A
 * detail `retryAfter` (seconds) is also sent as the header `Retry-After`.
 */
export class ApiError extends Error {
  code: ErrorCode;
  /** The HTTP status of the reply. */
  status: number;
  details: Record<string, unknown>;
  constructor(code: ErrorCode, message: string, details: Record<string, unknown> = {}) {
    super(message);
    this.code = code;
    this.status = STATUS_OF[code];
    this.details = details;
  }
}

/** Throws InvalidRequestArguments: what is wrong with a request's parameters, and what would be right. */
export function refuseArguments(message: string): never {
  throw new ApiError('InvalidRequestArguments', message);
}

/** Throws ResourceNotFound for something that is not there, or was not at a past position. `ids` name it. */
export function refuseMissing(
  name: string,
  { position, ...ids }: { position: Position | undefined; [id: string]: string | undefined },
): never {
  if (position === undefined) throw new ApiError('ResourceNotFound', `${name} does not exist`, ids);
  throw new ApiError('ResourceNotFound', `${name} did not exist at ${position}`, { ...ids, position });
}

/** A request's header is too large: InputTooLarge, as for a body, with HTTP's status for headers, 431 (RFC 6585). */
export class HeaderTooLarge extends ApiError {
  constructor(message: string) {
    super('InputTooLarge', message);
    this.status = 431;
  }
}

/** A quota of requests and its setting: a token bucket of `quota` tokens that is refilled in `seconds`. */
export type QuotaPolicy = { name: string; setting: string; quota: number; seconds: number };

/** A caller has exceeded a quota: TooManyRequests. `policy` is that quota; `retryAfter` is in seconds. */
export class RateLimited extends ApiError {
  policy: QuotaPolicy;
  retryAfter: number;
  constructor(policy: QuotaPolicy, retryAfter: number) {
    const { quota, seconds, setting } = policy;
    super(
      'TooManyRequests',
      `a caller may make ${quota} of these requests at once, and ${quota} in ${seconds} s in the long run (${setting}): ` +
        `try again in ${retryAfter} s`,
      { retryAfter },
    );
    this.policy = policy;
    this.retryAfter = retryAfter;
  }
}

/** A signed request does not authenticate. The message says why and is shown to the caller. */
export class AuthenticationFailure extends Error {}
