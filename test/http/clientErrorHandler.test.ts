import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { makeClientErrorHandler } from '../../src/http/clientErrorHandler.ts';
import type { ErrorBody } from '../rawRequest.ts';
import { startService, type TestService } from '../startService.ts';

let service: TestService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.remove());

/** Sends the parts, and returns everything received until the connection is closed. */
async function send(parts: string[], port = service.port): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const received = text(socket);
  for (const part of parts) {
    socket.write(part);
    await sleep(20);
  }
  return received;
}

const ping = 'GET /api/auth/v1/ping HTTP/1.1\r\nhost: x\r\n';
const CHUNKED = 'transfer-encoding: chunked\r\n';

function expectRefusal(reply: string, status: number, code: string): void {
  expect(reply).toMatch(
    new RegExp(
      `^HTTP/1\\.1 ${status} .*\\r\\nconnection: close\\r\\n(.+\\r\\n)*content-type: application/json`,
    ),
  );
  const body = JSON.parse(reply.slice(reply.indexOf('\r\n\r\n'))) as ErrorBody;
  expect(body).toMatchObject({ code, requestInfo: { method: '', params: {}, payload: {} } });
  expect(body.message).toMatch(new RegExp(`\\* errorCode: +${code}\n\\* statusCode: +${status}\n`));
}

describe('what is not HTTP', () => {
  test.each([
    ['no request at all', 'canary\r\n\r\n'],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00'],
    ['a header without a colon', `${ping}canary\r\n\r\n`],
    ['two lengths', `${ping}content-length: 1\r\ncontent-length: 2\r\n\r\n`],
    ['a length and chunks', `${ping}content-length: 1\r\n${CHUNKED}\r\n`],
    ['a chunk without a length', `${ping}${CHUNKED}\r\ncanary\r\n`],
  ])('is refused in the form of the API: %s', async (_, request) => {
    const reply = await send([request]);
    expectRefusal(reply, 400, 'MalformedPayload');
    expect(reply + service.logged()).not.toContain('canary');
  });

  test('is refused as too large where it is that', async () => {
    expectRefusal(await send([`${ping}field: ${'a'.repeat(200_000)}`]), 431, 'InputTooLarge');
    expectRefusal(await send([`${ping}${CHUNKED}\r\n1;${'a'.repeat(20_000)}\r\n`]), 413, 'InputTooLarge');
  });

  test('is refused though it goes on and on', async () => {
    const parts = Array<string>(20).fill('canary'.repeat(10_000));
    expectRefusal(await send(parts), 400, 'MalformedPayload');
  });

  test('leaves the reply to the request before it as it is', async () => {
    const reply = await send([`${ping}\r\ncanary\r\n\r\n`]);
    expect(reply).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(reply).toMatch(/\{"alive":true[^}]*\}$/);
  });

  test('is logged with the reason', () => {
    expect(service.logged()).toMatch(
      /"code":"HPE_INVALID_METHOD","status":400,"sourceIp":"127.0.0.1","msg":"a request could not be read"/,
    );
  });
});

describe('where nothing more comes', () => {
  const server = createServer({ connectionsCheckingInterval: 20, headersTimeout: 50, requestTimeout: 50 });
  let port: number;
  beforeAll(async () => {
    server.on('clientError', makeClientErrorHandler(pino({ level: 'silent' }))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => void server.close());

  test('a half request is refused in the form of the API', async () => {
    expectRefusal(await send([ping], port), 400, 'MalformedPayload');
  });

  test('an unused connection is closed without a reply', async () => {
    expect(await send([], port)).toBe('');
  });
});
