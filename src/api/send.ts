import { once } from 'node:events';
import type { ServerResponse } from 'node:http';

/** Answers from this service are about one moment and one caller: nothing in between may keep them. */
export const CACHE_CONTROL = 'no-store no-cache must-revalidate';
const JSON_TYPE = 'application/json; charset=utf-8';

/** Sends a value as JSON. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  // As a text, Node sends it together with the headers, in one write.
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': JSON_TYPE,
    'content-length': Buffer.byteLength(text),
    'cache-control': CACHE_CONTROL,
  });
  response.end(text);
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
