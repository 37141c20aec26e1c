import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline, type Writable } from 'node:stream';
import { createGzip } from 'node:zlib';
import Negotiator from 'negotiator';
import { type Incomplete, incompleteHeader } from './incomplete.ts';

/**
 * The headers of every reply. Answers from this service are about one moment and one caller: nothing in between may keep
 * them. And nobody is to take them for anything but what they say they are.
 */
export const EVERY_REPLY = {
  'cache-control': 'no-store, no-cache, must-revalidate',
  'x-content-type-options': 'nosniff',
};
const JSON_REPLY = Object.entries({
  ...EVERY_REPLY,
  'content-type': 'application/json; charset=utf-8',
}).flat();

/** From so many characters on, compressing saves more than it costs: a shorter reply is a few packets, all sent at once. */
const MIN_COMPRESSED_LENGTH = 4096;

/** Sends a value as JSON, compressed where that pays and the caller accepts it, unless it must not be. */
export function sendJson(
  response: ServerResponse,
  body: unknown,
  { status = 200, mayCompress = true }: { status?: number; mayCompress?: boolean } = {},
): void {
  const text = JSON.stringify(body);
  const head = { status, length: Buffer.byteLength(text) };
  end(response, writeHead(response, head, mayCompress && text.length >= MIN_COMPRESSED_LENGTH), text);
}

/** Sends JSON text of ASCII characters only: there is nothing to be encoded in it, nor to be counted. */
export function sendAscii(response: ServerResponse, text: string, mayCompress: boolean): void {
  const head = { status: 200, length: text.length };
  const taker = writeHead(response, head, mayCompress && text.length >= MIN_COMPRESSED_LENGTH);
  if (taker === response) taker.end(text, 'latin1');
  else end(response, taker, text);
}

/** Texts that are kept until they are compressed and taken: nothing in a response tells of them. */
const held = new WeakMap<ServerResponse, number>();

function end(response: ServerResponse, taker: Writable, text: string): void {
  if (taker !== response) held.set(response, text.length);
  taker.end(text);
}

/** Bytes of a reply's text that are kept besides those that wait in its connection. */
export function uncompressedLength(response: ServerResponse): number {
  return held.get(response) ?? 0;
}

/** The headers of a reply with JSON of so many bytes. As a list, Node takes them as they are where no other header was set. */
export function jsonHeaders(length: number): string[] {
  return [...JSON_REPLY, 'content-length', String(length)];
}

/** Sends an empty success. */
export function sendNothing(response: ServerResponse): void {
  response.writeHead(204, EVERY_REPLY).end();
}

/** Says which methods a path has. */
export function sendAllowed(response: ServerResponse, methods: readonly string[]): void {
  response.writeHead(204, { ...EVERY_REPLY, allow: [...methods, 'OPTIONS'].join(', ') }).end();
}

/**
 * Sends JSON text piece by piece, no faster than it is taken; compressed where that pays and the caller accepts it. Rejects
 * when the pieces fail; ends quietly when the receiver goes away. A trailer names what came to be incomplete meanwhile.
 */
export async function sendChunks(
  response: ServerResponse,
  pieces: AsyncIterable<string>,
  { mayCompress = true, incomplete = new Set() }: { mayCompress?: boolean; incomplete?: Incomplete } = {},
): Promise<void> {
  const known = incomplete.size;
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  let taker: Writable | undefined;
  for await (const piece of pieces) {
    if (gone.signal.aborted) return;
    // The headers wait for the first piece: what fails before it can still be answered with an error. If it is short, it is all.
    taker ??= writeHead(response, { status: 200 }, mayCompress && piece.length >= MIN_COMPRESSED_LENGTH);
    if (response.req.method === 'HEAD') break;
    if (!taker.write(piece)) await once(taker, 'drain', { signal: gone.signal }).catch(() => undefined);
  }
  if (incomplete.size > known) response.addTrailers({ 'auth-incomplete': incompleteHeader(incomplete) });
  (taker ?? response).end();
}

type Head = { status: number; length?: number };

/** Writes the headers, and answers what takes the text. */
function writeHead(response: ServerResponse, head: Head, isWorthCompressing: boolean): Writable {
  if (!isWorthCompressing) return plain(response, head);
  // Beside what it says already, such as Origin.
  response.appendHeader('vary', 'accept-encoding');
  return acceptsGzip(response.req) ? compressed(response, head) : plain(response, head);
}

function plain(response: ServerResponse, { status, length }: Head): Writable {
  return response.writeHead(status, length === undefined ? JSON_REPLY : jsonHeaders(length));
}

/** Node compresses in other threads. */
function compressed(response: ServerResponse, { status }: Head): Writable {
  response.writeHead(status, [...JSON_REPLY, 'content-encoding', 'gzip']);
  if (response.req.method === 'HEAD') return response;
  const gzip = createGzip();
  // Either of the two that ends too soon takes the other with it.
  pipeline(gzip, response, () => undefined);
  return gzip;
}

function acceptsGzip(request: IncomingMessage): boolean {
  return new Negotiator(request).encoding(['gzip', 'identity']) === 'gzip';
}
