import type { ApiError } from '../domain/errors.ts';
import { toWellFormed } from '../domain/wellFormed.ts';

/** The request as an error reply shows it. */
export type RequestInfo = {
  method: string;
  params: Record<string, string>;
  payload: unknown;
  time: string;
};

/** The body of an error reply: code and message, with the request that it answers. */
export function errorBody(error: ApiError, requestInfo: RequestInfo): object {
  const message = [
    error.message,
    '',
    '---',
    '',
    `* method:     ${requestInfo.method}`,
    `* errorCode:  ${error.code}`,
    `* statusCode: ${error.status}`,
    `* time:       ${requestInfo.time}`,
  ].join('\n');
  return {
    code: error.code,
    message,
    requestInfo,
    ...(Object.keys(error.details).length > 0 && { details: error.details }),
  };
}

const MASK = '(not shown)';
const SECRET_PROPERTIES = new Set(['authorization', 'accessToken']);

/**
 * A payload without possible secrets: signatures, and the values of properties that the endpoint does not declare, so
 * that a token under a misspelt name is not echoed.
 */
export function redactPayload(payload: unknown, declared: readonly string[]): unknown {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) return {};
  return Object.fromEntries(
    Object.entries(payload)
      .slice(0, 50)
      .map(([name, value]) => {
        // Truncation may split a surrogate pair.
        if (!declared.includes(name) || SECRET_PROPERTIES.has(name))
          return [toWellFormed(name.slice(0, 64)), MASK];
        return [name, name === 'resource' && typeof value === 'string' ? maskBewit(value) : value];
      }),
  );
}

/** Masks the bewit in a URL. Until it expires, it is as good as a token. */
export function maskBewit(url: string): string {
  return url.replaceAll(/([?&]bewit=)[^&]*/g, `$1${MASK}`);
}
