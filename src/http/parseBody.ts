import type { IncomingMessage } from 'node:http';
import { ApiError } from '../domain/errors.ts';
import { requireWellFormedStrings } from './requireWellFormedStrings.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });
/** Levels of nesting in a body. None needs more than a few; recursive functions can handle this many. */
const MAX_DEPTH = 1000;
/** Values in a body, mostly scopes. No list that is made by hand or by tc-admin has more than some thousands. */
const MAX_VALUES = 30_000;

/**
 * The JSON object in a body. Throws MalformedPayload for anything else, and InputValidationError for a string that is
 * not well-formed.
 */
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
  // Most bodies are too short to hold too many values.
  if (text.length > MAX_VALUES) refuseTooManyValues(text);
  try {
    value = JSON.parse(text);
  } catch {
    malformed('the body is not valid JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    malformed('the body must be a JSON object');
  // Most bodies are too short to be nested too deep.
  if (body.length > MAX_DEPTH && isDeeperThan(MAX_DEPTH, value))
    malformed(`the body must not be nested deeper than ${MAX_DEPTH} levels`);
  // In valid UTF-8, only an escape can denote half of a surrogate pair, or NUL.
  if (text.includes('\\u')) requireWellFormedStrings(value);
  return value as Record<string, unknown>;
}

/** Counts values in the text, before parsing, which takes time for each value. */
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

/** The index of the quote that ends the JSON string that begins at `start`. */
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
