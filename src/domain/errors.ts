/** HTTP status of every error code that a reply may carry; the codes are those of the Taskcluster API, and three of ours. */
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
 * A refusal with a documented code; its message and details are shown to the caller, so they never hold a secret. A detail
 * `retryAfter` (seconds) is also told in the header of that name.
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

/** The header of a request is larger than is taken: InputTooLarge, as a body would be, with the status that HTTP has for headers. */
export class HeaderTooLarge extends ApiError {
  constructor(message: string) {
    super('InputTooLarge', message);
    this.status = 431;
  }
}

/** A quota of requests, with its setting: so many at once, and as many again in so many seconds. */
export type Policy = { name: string; setting: string; quota: number; seconds: number };

/** A caller has used up a quota: TooManyRequests. `policy` says which; `retryAfter` is in seconds. */
export class RateLimited extends ApiError {
  policy: Policy;
  retryAfter: number;
  constructor(policy: Policy, retryAfter: number) {
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

/** Why a signed request does not authenticate. Its message is shown to the caller. */
export class AuthenticationFailure extends Error {}
