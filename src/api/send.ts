import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/** Answers from this service are about one moment and one caller: nothing in between may keep them. */
export const CACHE_CONTROL = 'no-store no-cache must-revalidate';
const JSON_TYPE = 'application/json; charset=utf-8';

/** Sends a value as JSON. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  writeHead(response, status, Buffer.byteLength(text));
  response.end(text);
}

/** Sends JSON text of ASCII characters only: there is nothing to be encoded in it, nor to be counted. */
export function sendAscii(response: ServerResponse, text: string): void {
  writeHead(response, 200, text.length);
  response.end(text, 'latin1');
}

function writeHead(response: ServerResponse, status: number, length: number): void {
  response.writeHead(status, jsonHeaders(length));
}

/** The headers of a reply with JSON of so many bytes. As a list, Node takes them as they are where no other header was set. */
export function jsonHeaders(length: number): string[] {
  return ['content-type', JSON_TYPE, 'cache-control', CACHE_CONTROL, 'content-length', String(length)];
}

/** Sends an empty success. */
export function sendNothing(response: ServerResponse): void {
  response.writeHead(204, { 'cache-control': CACHE_CONTROL }).end();
}

/**
 * Sends JSON text piece by piece, no faster than it is taken. Rejects when the pieces fail; ends quietly when the
 * receiver goes away.
 */
export async function sendPieces(response: ServerResponse, pieces: AsyncIterable<string>): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  for await (const piece of pieces) {
    if (gone.signal.aborted) return;
    // The headers wait for the first piece: what fails before it can still be answered with an error.
    if (!response.headersSent)
      response.writeHead(200, { 'content-type': JSON_TYPE, 'cache-control': CACHE_CONTROL });
    if (!response.write(piece)) await once(response, 'drain', { signal: gone.signal }).catch(() => undefined);
  }
  response.end();
}
