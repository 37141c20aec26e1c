import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { ApiError } from '../domain/errors.ts';
import type { BodyTracker } from './limitConnections.ts';

const unpack = promisify(gunzip);
const EMPTY = Buffer.alloc(0);
/**
 * The whole body, unpacked where it comes in gzip: that is also what a signature covers. Throws InputTooLarge as soon as it is
 * longer than `limit` bytes, packed or unpacked, and MalformedPayload for what is no gzip, or in another encoding. What
 * is not read by then is left unread. `bodies` is told how much is kept of one that is not whole, and may give it up.
 */
export function readBody(
  request: IncomingMessage,
  limit: number,
  bodies: BodyTracker | undefined,
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
    isPacked && body.length > 0 ? gunzipWithin(body, limit) : body,
  );
}

function readAll(request: IncomingMessage, limit: number, bodies: BodyTracker | undefined): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const announced = Number(request.headers['content-length'] ?? 0);
    let buffer: Buffer = EMPTY;
    let length = 0;
    const append = (chunk: Buffer): void => {
      const before = length;
      length += chunk.length;
      if (length > limit) return abort(tooLarge('the body', limit));
      // Most bodies come in one piece. Of many small ones, each would take more than what is in it.
      if (before === 0) buffer = chunk;
      else {
        if (length > buffer.length) buffer = grow(buffer.subarray(0, before), Math.min(limit, 2 * length));
        chunk.copy(buffer, before);
      }
      if (length !== announced) bodies?.setBuffered(request, buffer.length);
    };
    function abort(reason: ApiError): void {
      request.off('data', append).pause();
      buffer = EMPTY;
      bodies?.setBuffered(request, 0);
      reject(reason);
    }
    if (announced > limit) return abort(tooLarge('the body', limit));
    bodies?.start(request, abort);
    request.on('data', append);
    request.on('end', () => {
      if (buffer.length > 0 && length !== buffer.length) buffer = buffer.subarray(0, length);
      bodies?.setBuffered(request, 0);
      resolve(buffer);
    });
    request.on('error', reject);
  });
}

function grow(bytes: Buffer, length: number): Buffer {
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
async function gunzipWithin(body: Buffer, limit: number): Promise<Buffer> {
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

function malformed(message: string): never {
  throw new ApiError('MalformedPayload', message);
}
