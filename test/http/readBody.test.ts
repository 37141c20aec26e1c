import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import hawk from 'hawk';
import { rawRequest, type RawReply } from '../rawRequest.ts';
import { ROOT, startService, type TestService } from '../startService.ts';

const LIMIT = 20_000;
const body = JSON.stringify({ scopes: ['b', 'a'] });

let service: TestService;
let url: string;
beforeAll(async () => {
  service = await startService({ MAX_BODY_BYTES: String(LIMIT) });
  url = `${service.rootUrl}/api/auth/v1/scopes/expand`;
});
afterAll(() => service.remove());

/** A request signed by root, with the hash of a payload. */
function send(
  bytes: Buffer | string,
  { signed = body, headers = {} }: { signed?: string; headers?: Record<string, string> } = {},
): Promise<RawReply> {
  const contentType = 'application/json';
  const { header: authorization } = hawk.client.header(url, 'POST', {
    credentials: { id: ROOT.clientId, key: ROOT.accessToken, algorithm: 'sha256' },
    payload: signed,
    contentType,
  });
  return rawRequest(url, {
    method: 'POST',
    headers: { authorization, 'content-type': contentType, 'content-encoding': 'gzip', ...headers },
    body: bytes,
  });
}

describe('a body in gzip', () => {
  test.each(['gzip', 'GZip', ' x-gzip'])('is unpacked, as %s', async (name) => {
    const reply = await send(gzipSync(body), { headers: { 'content-encoding': name } });
    expect(JSON.parse(reply.text)).toEqual({ scopes: ['a', 'b'] });
  });

  test('may come in chunks, and in several parts', async () => {
    const parts = Buffer.concat([gzipSync(body.slice(0, 5)), gzipSync(body.slice(5))]);
    expect((await send(parts, { headers: { 'transfer-encoding': 'chunked' } })).status).toBe(200);
  });

  test('is signed as it is unpacked', async () => {
    const packed = gzipSync(body);
    expect((await send(packed, { signed: body })).status).toBe(200);
    const wrong = await send(packed, { signed: packed.toString('latin1') });
    expect(wrong).toMatchObject({ status: 401, body: { code: 'AuthenticationFailed' } });
  });

  test.each([
    ['another', Buffer.from(body)],
    ['cut off', gzipSync(body).subarray(0, 20)],
    ['changed', gzipSync(body).fill(0xff, 12, 16)],
    ['followed by something else', Buffer.concat([gzipSync(body), Buffer.from('else')])],
    ['empty', Buffer.alloc(0)],
    ['of something else', gzipSync('{')],
  ])('that is %s is malformed', async (_, bytes) => {
    expect(await send(bytes)).toMatchObject({ status: 400, body: { code: 'MalformedPayload' } });
  });

  test('may be as long as any other once it is unpacked, and no longer', async () => {
    const longest = body.padEnd(LIMIT);
    expect((await send(gzipSync(longest), { signed: longest })).status).toBe(200);
    const longer = await send(gzipSync(`${longest} `));
    expect(longer).toMatchObject({ status: 413, body: { code: 'InputTooLarge' } });
    expect(longer.body.message).toMatch(/unpacked body must be at most 20000 bytes/);
  });

  test('that unpacks to very much more is unpacked no further than that', async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    expect(bomb.length).toBeLessThan(LIMIT);
    // Decompressing it to the end would fail, because it is damaged.
    bomb.fill(0xff, bomb.length - 8);
    expect(await send(bomb)).toMatchObject({ status: 413, body: { code: 'InputTooLarge' } });
  });

  test('is no other than one that says it is as it is', async () => {
    expect((await send(body, { headers: { 'content-encoding': 'identity' } })).status).toBe(200);
  });

  test('is unpacked too where nobody looks at it', async () => {
    const ping = (bytes: Buffer): Promise<RawReply> =>
      rawRequest(`${service.rootUrl}/v1/ping`, { headers: { 'content-encoding': 'gzip' }, body: bytes });
    expect((await ping(gzipSync(body))).status).toBe(200);
    expect((await ping(Buffer.from(body))).status).toBe(400);
  });
});
