import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { ApiError } from '../domain/errors.ts';
import type { BodyTracker } from './limitConnections.ts';

const gunzipAsync = promisify(gunzip);
const EMPTY = Buffer.alloc(0);
/**
 * The complete body, decompressed if it is gzip; a signature covers the decompressed body. Throws InputTooLarge as soon
 * as it exceeds `limit` bytes, compressed or decompressed, and MalformedPayload for invalid gzip or another encoding.
 * The rest is then left unread. `bodies` tracks how much of an incomplete body is buffered, and may abort it.
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
  const isCompressed = isGzip(encoding);
  return readAll(request, limit, bodies).then((body) =>
    isCompressed && body.length > 0 ? gunzipWithin(body, limit) : body,
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
      // Most bodies are one chunk. Many small ones are copied together, because each takes more memory than its
      // content.
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

/** Stops decompressing at the limit. */
async function gunzipWithin(body: Buffer, limit: number): Promise<Buffer> {
  try {
    return await gunzipAsync(body, { maxOutputLength: limit });
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
