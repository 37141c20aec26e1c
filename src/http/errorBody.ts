import type { ApiError } from '../domain/errors.ts';
import { toWellFormed } from '../domain/wellFormed.ts';

/** The request as far as an error may show it. */
export type RequestInfo = {
  method: string;
  params: Record<string, string>;
  payload: unknown;
  time: string;
};

/** An error as callers see it: its code and message, with the request that met it. */
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
 * A payload without what could be a secret in it: signatures, and the values of properties that the endpoint does not
 * declare (whoever sends a token under a name of their own has it echoed nowhere).
 */
export function redactPayload(payload: unknown, declared: readonly string[]): unknown {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) return {};
  return Object.fromEntries(
    Object.entries(payload)
      .slice(0, 50)
      .map(([name, value]) => {
        // What is cut may have been cut within a surrogate pair.
        if (!declared.includes(name) || SECRET_PROPERTIES.has(name))
          return [toWellFormed(name.slice(0, 64)), MASK];
        return [name, name === 'resource' && typeof value === 'string' ? maskBewit(value) : value];
      }),
  );
}

/** A URL whose bewit, which is as good as a token while it lasts, is masked. */
export function maskBewit(url: string): string {
  return url.replaceAll(/([?&]bewit=)[^&]*/g, `$1${MASK}`);
}
