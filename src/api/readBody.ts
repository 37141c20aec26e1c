import type { IncomingMessage } from 'node:http';
import { ApiError } from '../domain/errors.ts';

/** The whole body as it was sent. Throws InputTooLarge as soon as it is longer than `limit` bytes. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = (): ApiError =>
    new ApiError('InputTooLarge', `the body must be at most ${limit} bytes long`);
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  // Ending the loop early must not destroy the request: its refusal is still to be sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limit) throw tooLarge();
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/** The JSON object in a body. Throws MalformedPayload for anything else. */
export function parseBody(body: Buffer, headers: IncomingMessage['headers']): Record<string, unknown> {
  if (body.length === 0) return malformed('a JSON object is needed as the body, and there is none');
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    malformed(`content-encoding must be identity, not ${encoding.slice(0, 64)}`);
  const type = headers['content-type']?.split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/json') malformed('content-type must be application/json');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    malformed('the body is not valid JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    malformed('the body must be a JSON object');
  return value as Record<string, unknown>;
}

function malformed(message: string): never {
  throw new ApiError('MalformedPayload', message);
}
