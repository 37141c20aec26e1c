import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline, type Writable } from 'node:stream';
import { createGzip } from 'node:zlib';
import Negotiator from 'negotiator';
import { type Incomplete, incompleteHeader } from './incomplete.ts';

/**
 * The headers of every reply. Replies hold for one moment and one caller, so no cache may store them, and browsers must
 * not sniff.
 */
export const EVERY_REPLY = {
  'cache-control': 'no-store, no-cache, must-revalidate',
  'x-content-type-options': 'nosniff',
};
const JSON_REPLY = Object.entries({
  ...EVERY_REPLY,
  'content-type': 'application/json; charset=utf-8',
}).flat();

/** Characters from which compression pays. A shorter reply is a few packets, all sent at once. */
const MIN_COMPRESSED_LENGTH = 4096;

/** Sends a value as JSON; compressed if it may be, if that pays and the caller accepts it. */
export function sendJson(
  response: ServerResponse,
  body: unknown,
  { status = 200, mayCompress = true }: { status?: number; mayCompress?: boolean } = {},
): void {
  const text = JSON.stringify(body);
  const head = { status, length: Buffer.byteLength(text) };
  end(response, writeHead(response, head, mayCompress && text.length >= MIN_COMPRESSED_LENGTH), text);
}

/** Sends JSON text of ASCII characters only, which need neither be encoded nor counted as UTF-8. */
export function sendAscii(response: ServerResponse, text: string, mayCompress: boolean): void {
  const head = { status: 200, length: text.length };
  const sink = writeHead(response, head, mayCompress && text.length >= MIN_COMPRESSED_LENGTH);
  if (sink === response) sink.end(text, 'latin1');
  else end(response, sink, text);
}

/** Lengths of texts that are buffered until they are compressed and sent. They do not show in the response. */
const uncompressed = new WeakMap<ServerResponse, number>();

function end(response: ServerResponse, sink: Writable, text: string): void {
  if (sink !== response) uncompressed.set(response, text.length);
  sink.end(text);
}

/** Bytes of a reply that are buffered for compression, besides those in its connection. */
export function uncompressedLength(response: ServerResponse): number {
  return uncompressed.get(response) ?? 0;
}

/**
 * The headers of a JSON reply with `length` bytes, as a flat list: without other headers, Node writes that without a
 * copy.
 */
export function jsonHeaders(length: number): string[] {
  return [...JSON_REPLY, 'content-length', String(length)];
}

/** Sends an empty success. */
export function sendNothing(response: ServerResponse): void {
  response.writeHead(204, EVERY_REPLY).end();
}

/** Answers OPTIONS with the methods of a path. */
export function sendAllowed(response: ServerResponse, methods: readonly string[]): void {
  response.writeHead(204, { ...EVERY_REPLY, allow: [...methods, 'OPTIONS'].join(', ') }).end();
}

/**
 * Sends JSON text in chunks, with back-pressure; compressed if it may be, if that pays and the caller accepts it.
 * Rejects when the chunks fail, and resolves when the caller disconnects. A trailer names entries that were found
 * incomplete meanwhile.
 */
export async function sendChunks(
  response: ServerResponse,
  chunks: AsyncIterable<string>,
  { mayCompress = true, incomplete = new Set() }: { mayCompress?: boolean; incomplete?: Incomplete } = {},
): Promise<void> {
  const known = incomplete.size;
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  let sink: Writable | undefined;
  for await (const chunk of chunks) {
    if (gone.signal.aborted) return;
    // The headers wait for the first chunk, so that a failure before it still gets an error reply. A short chunk is the
    // only one.
    sink ??= writeHead(response, { status: 200 }, mayCompress && chunk.length >= MIN_COMPRESSED_LENGTH);
    if (response.req.method === 'HEAD') break;
    if (!sink.write(chunk)) await once(sink, 'drain', { signal: gone.signal }).catch(() => undefined);
  }
  if (incomplete.size > known) response.addTrailers({ 'auth-incomplete': incompleteHeader(incomplete) });
  (sink ?? response).end();
}

type Head = { status: number; length?: number };

/** Writes the headers, and returns the stream to write the text to. */
function writeHead(response: ServerResponse, head: Head, isWorthCompressing: boolean): Writable {
  if (!isWorthCompressing) return plain(response, head);
  // Adds to other values, such as Origin.
  response.appendHeader('vary', 'accept-encoding');
  return acceptsGzip(response.req) ? compressed(response, head) : plain(response, head);
}

function plain(response: ServerResponse, { status, length }: Head): Writable {
  return response.writeHead(status, length === undefined ? JSON_REPLY : jsonHeaders(length));
}

/** Compression runs in Node's thread pool. */
function compressed(response: ServerResponse, { status }: Head): Writable {
  response.writeHead(status, [...JSON_REPLY, 'content-encoding', 'gzip']);
  if (response.req.method === 'HEAD') return response;
  const gzip = createGzip();
  // If either stream ends prematurely, the other one is destroyed.
  pipeline(gzip, response, () => undefined);
  return gzip;
}

function acceptsGzip(request: IncomingMessage): boolean {
  return new Negotiator(request).encoding(['gzip', 'identity']) === 'gzip';
}
