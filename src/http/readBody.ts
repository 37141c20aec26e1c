import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { ApiError } from '../domain/errors.ts';
import type { Bodies } from './connections.ts';
import { refuseUnreadableTexts } from './unreadableTexts.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });
const unpack = promisify(gunzip);
const EMPTY = Buffer.alloc(0);
/** Lists in lists that a body may have. None needs more than a few; what follows them by recursion stands this many. */
const MOST_LEVELS = 1000;
/** Values that a body may have: scopes mostly, of which no list that is made by hand or by tc-admin has more than some thousands. */
const MOST_VALUES = 30_000;

/**
 * The whole body, unpacked where it comes in gzip: that is also what a signature covers. Throws InputTooLarge as soon as it is
 * longer than `limit` bytes, packed or unpacked, and MalformedPayload for what is no gzip, or in another encoding. What
 * is not read by then is left unread. `bodies` is told how much is kept of one that is not whole, and may give it up.
 */
export function readBody(
  request: IncomingMessage,
  limit: number,
  bodies: Bodies | undefined,
): Promise<Buffer> | Buffer {
  const {
    'content-length': announced,
    'transfer-encoding': transfer,
    'content-encoding': encoding,
  } = request.headers;
  if (announced === undefined && transfer === undefined) return EMPTY;
  if (encoding === undefined) return readAll(request, limit, bodies);
  const isPacked = isGzip(encoding);
  return readAll(request, limit, bodies).then((body) =>
    isPacked && body.length > 0 ? unpacked(body, limit) : body,
  );
}

function readAll(request: IncomingMessage, limit: number, bodies: Bodies | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const announced = Number(request.headers['content-length'] ?? 0);
    let kept: Buffer = EMPTY;
    let length = 0;
    const take = (chunk: Buffer): void => {
      const before = length;
      length += chunk.length;
      if (length > limit) return giveUp(tooLarge('the body', limit));
      // Most bodies come in one piece. Of many small ones, each would take more than what is in it.
      if (before === 0) kept = chunk;
      else {
        if (length > kept.length) kept = enlarged(kept.subarray(0, before), Math.min(limit, 2 * length));
        chunk.copy(kept, before);
      }
      if (length !== announced) bodies?.keep(request, kept.length);
    };
    function giveUp(reason: ApiError): void {
      request.off('data', take).pause();
      kept = EMPTY;
      bodies?.keep(request, 0);
      reject(reason);
    }
    if (announced > limit) return giveUp(tooLarge('the body', limit));
    bodies?.begin(request, giveUp);
    request.on('data', take);
    request.on('end', () => {
      if (kept.length > 0 && length !== kept.length) kept = kept.subarray(0, length);
      bodies?.keep(request, 0);
      resolve(kept);
    });
    request.on('error', reject);
  });
}

function enlarged(bytes: Buffer, length: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(length);
  bytes.copy(larger);
  return larger;
}

function isGzip(encoding: string): boolean {
  const name = encoding.trim().toLowerCase();
  if (name !== 'gzip' && name !== 'x-gzip' && name !== 'identity')
    malformed(`content-encoding must be gzip or identity, not ${encoding.slice(0, 64)}`);
  return name !== 'identity';
}

/** Unpacks no further than to the limit, however much there is. */
async function unpacked(body: Buffer, limit: number): Promise<Buffer> {
  try {
    return await unpack(body, { maxOutputLength: limit });
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge('the unpacked body', limit);
    if (code === 'Z_DATA_ERROR' || code === 'Z_BUF_ERROR')
      malformed('the body is not valid gzip, which its content-encoding says it is');
    throw error;
  }
}

function tooLarge(what: string, limit: number): ApiError {
  return new ApiError('InputTooLarge', `${what} must be at most ${limit} bytes long`);
}

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
  if (text.length > MOST_VALUES) refuseTooManyValues(text);
  try {
    value = JSON.parse(text);
  } catch {
    malformed('the body is not valid JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    malformed('the body must be a JSON object');
  // Most bodies are too short to be so deep.
  if (body.length > MOST_LEVELS && isDeeperThan(MOST_LEVELS, value))
    malformed(`the body must not be nested deeper than ${MOST_LEVELS} levels`);
  // In UTF-8, only an escape can be of what is not well-formed.
  if (text.includes('\\u')) refuseUnreadableTexts(value);
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
  if (values > MOST_VALUES)
    malformed(`the body must not hold more than ${MOST_VALUES} values, such as scopes: it has ${values}`);
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
