import type { IncomingMessage } from 'node:http';
import { ApiError } from '../domain/errors.ts';
import { requireWellFormedStrings } from './requireWellFormedStrings.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });
/** Lists in lists that a body may have. None needs more than a few; what follows them by recursion stands this many. */
const MAX_DEPTH = 1000;
/** Values that a body may have: scopes mostly, of which no list that is made by hand or by tc-admin has more than some thousands. */
const MAX_VALUES = 30_000;

/** The JSON object in a body. Throws MalformedPayload for anything else, and InputValidationError for a text that is not well-formed. */
export function parseBody(body: Buffer, headers: IncomingMessage['headers']): Record<string, unknown> {
  if (body.length === 0) return malformed('a JSON object is needed as the body, and there is none');
  const type = headers['content-type']?.split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/json') malformed('content-type must be application/json');
  let text = '';
  let value: unknown;
  try {
    text = utf8.decode(body);
  } catch {
    malformed('the body is not valid JSON');
  }
  // Most bodies are too short to hold so many.
  if (text.length > MAX_VALUES) refuseTooManyValues(text);
  try {
    value = JSON.parse(text);
  } catch {
    malformed('the body is not valid JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    malformed('the body must be a JSON object');
  // Most bodies are too short to be so deep.
  if (body.length > MAX_DEPTH && isDeeperThan(MAX_DEPTH, value))
    malformed(`the body must not be nested deeper than ${MAX_DEPTH} levels`);
  // In UTF-8, only an escape can be of what is not well-formed.
  if (text.includes('\\u')) requireWellFormedStrings(value);
  return value as Record<string, unknown>;
}

/** Before it is parsed, as that takes as long as there are values in it. */
function refuseTooManyValues(text: string): void {
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === COMMA || code === BRACKET || code === BRACE) values += 1;
  }
  if (values > MAX_VALUES)
    malformed(`the body must not hold more than ${MAX_VALUES} values, such as scopes: it has ${values}`);
}

const [QUOTE, COMMA, BRACKET, BRACE, BACKSLASH] = [...'",[{\\'].map((each) => each.charCodeAt(0));

/** Where a JSON string ends that begins at an index. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at += 1;
  }
  return text.length;
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  return (Array.isArray(value) ? value : Object.values(value)).some((each) => isDeeperThan(levels - 1, each));
}

function malformed(message: string): never {
  throw new ApiError('MalformedPayload', message);
}
