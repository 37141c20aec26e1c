import type { IncomingMessage } from 'node:http';
import { MAX_HEADER_FIELD_LENGTH } from '../../schemas/constants.ts';
import { ApiError, HeaderTooLarge } from '../domain/errors.ts';

/** Characters in the names and values of all fields together. */
const MAX_HEADER_LENGTH = 64 * 1024;
const MAX_HEADER_FIELDS = 2000;

/**
 * Limits for Node's own parser. They are larger than those here, so that a header slightly over a limit gets an
 * ordinary error reply, and the parser drops fields (maybe the host) only if there are too many anyway.
 */
export const PARSER_LIMITS = { maxHeaderSize: 2 * MAX_HEADER_LENGTH, maxHeadersCount: MAX_HEADER_FIELDS + 1 };

/** The error for a header that is too large or malformed; undefined if it is fine. */
export function headerProblem(request: IncomingMessage): ApiError | undefined {
  return sizeProblem(request) ?? hostProblem(request);
}

/** Of two hosts, a proxy in front of this service may have used the other one. */
function hostProblem({
  httpVersionMajor,
  httpVersionMinor,
  rawHeaders,
}: IncomingMessage): ApiError | undefined {
  if (httpVersionMajor !== 1) return malformed('a request must be one of HTTP/1.1 or HTTP/1.0');
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  if (hosts > 1) return malformed('a request must have one Host header, not several');
  return hosts === 0 && httpVersionMinor === 1
    ? malformed('a request of HTTP/1.1 must have a Host header')
    : undefined;
}

function malformed(message: string): ApiError {
  return new ApiError('MalformedPayload', message);
}

function sizeProblem({ url = '', rawHeaders }: IncomingMessage): HeaderTooLarge | undefined {
  if (rawHeaders.length > 2 * MAX_HEADER_FIELDS)
    return new HeaderTooLarge(`the header must have at most ${MAX_HEADER_FIELDS} fields`);
  let total = 0;
  for (const text of rawHeaders) total += text.length;
  if (total <= MAX_HEADER_FIELD_LENGTH && url.length <= MAX_HEADER_FIELD_LENGTH) return undefined;
  const long = rawHeaders.findIndex((text, i) => i % 2 === 1 && text.length > MAX_HEADER_FIELD_LENGTH);
  if (long > 0) return fieldTooLong(`the header field ${JSON.stringify(rawHeaders[long - 1]!.slice(0, 64))}`);
  if (url.length > MAX_HEADER_FIELD_LENGTH) return fieldTooLong('the URL');
  return total > MAX_HEADER_LENGTH ? headerTooLarge() : undefined;
}

function fieldTooLong(what: string): HeaderTooLarge {
  return new HeaderTooLarge(`${what} must be at most ${MAX_HEADER_FIELD_LENGTH} characters long`);
}

/** The error for a header whose fields are too long together. */
export function headerTooLarge(): HeaderTooLarge {
  return new HeaderTooLarge(
    `the fields of the header must have at most ${MAX_HEADER_LENGTH} characters together, and each at most ${MAX_HEADER_FIELD_LENGTH}`,
  );
}
