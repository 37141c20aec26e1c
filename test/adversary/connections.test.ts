import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { type Attacked, startAttacked } from './secondCaller.ts';

const MIB = 1024 * 1024;
let attacked: Attacked;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await attacked.stop();
});

/** Connections from an address of their own, each with this sent on it; what is answered is read, unless it is not to be. */
async function open(count: number, sent: string | Buffer, { reads = true } = {}): Promise<Socket[]> {
  const { port } = new URL(attacked.rootUrl);
  const made: Socket[] = [];
  for (let i = 0; i < count; i += 1) {
    const socket = connect({ host: '127.0.0.1', port: Number(port), localAddress: '127.0.0.2' });
    socket.on('error', () => undefined);
    if (reads) socket.resume();
    made.push(socket);
    sockets.push(socket);
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
    if (sent.length > 0 && !socket.destroyed) socket.write(sent);
  }
  return made;
}

const isOpen = (socket: Socket): boolean => !socket.destroyed && socket.readyState === 'open';
/** The second caller got so many answers, and each was a yes. */
async function expectAnswers(more: number): Promise<void> {
  const count = (): number => attacked.answers()['auth-success'] ?? 0;
  const before = count();
  while (count() < before + more && Object.keys(attacked.answers()).length <= 1) await sleep(10);
  expect(Object.keys(attacked.answers())).toEqual(['auth-success']);
}

test('silent connections push out each other, not the others', async () => {
  attacked = await startAttacked({ MAX_CONNECTIONS: '50' });
  await expectAnswers(5);
  const silent = await open(400, '');
  await expectAnswers(50);
  while (silent.filter(isOpen).length > 50) await sleep(10);
  expect(silent.slice(-20).filter(isOpen).length).toBeGreaterThan(10);
});

test('an address has no more connections than it may', async () => {
  attacked = await startAttacked({ MAX_CONNECTIONS_PER_ADDRESS: '10' });
  const silent = await open(40, '');
  while (silent.filter(isOpen).length > 10) await sleep(10);
  await expectAnswers(20);
});

test('unfinished bodies take no more memory than they may', async () => {
  attacked = await startAttacked({ MAX_UNFINISHED_BODIES: '16MiB' });
  await expectAnswers(5);
  const before = await attacked.residentBytes();
  const head =
    'POST /v1/scopes/expand HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500000\r\n\r\n';
  await open(400, Buffer.concat([Buffer.from(head), Buffer.alloc(490_000, 32)]));
  await expectAnswers(50);
  expect((await attacked.residentBytes()) - before).toBeLessThan(200 * MIB);
  expect(attacked.output()).toContain('MAX_UNFINISHED_BODIES');
});

test('a body in the smallest of pieces takes no more than one in large ones', async () => {
  attacked = await startAttacked({ MAX_UNFINISHED_BODIES: '16MiB' });
  await expectAnswers(5);
  const before = await attacked.residentBytes();
  const head =
    'POST /v1/scopes/expand HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n';
  await open(8, head + '1\r\n \r\n'.repeat(100_000));
  await expectAnswers(50);
  expect((await attacked.residentBytes()) - before).toBeLessThan(200 * MIB);
});

test('headers and bodies that come slowly are ended', async () => {
  attacked = await startAttacked({ HEADERS_TIMEOUT: '1s', BODY_TIMEOUT: '1s' });
  const slow = [
    ...(await open(50, 'GET /v1/ping HTTP/1.1\r\nhost: x\r\nx: ')),
    ...(await open(50, 'POST /v1/scopes/expand HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{')),
  ];
  const unused = await open(5, '');
  const dripping = setInterval(() => slow.forEach((socket) => isOpen(socket) && socket.write('1')), 200);
  while (slow.some(isOpen)) await sleep(50);
  clearInterval(dripping);
  expect(unused.every(isOpen)).toBe(true);
  await expectAnswers(20);
});

test('replies that nobody reads are closed', async () => {
  attacked = await startAttacked({ REPLY_TIMEOUT: '2s', MAX_UNREAD_REPLIES: '16MiB' });
  await expectAnswers(5);
  const get = 'GET /references/auth/v1/api.json HTTP/1.1\r\nhost: x\r\n\r\n';
  const deaf = await open(60, get.repeat(100), { reads: false });
  await expectAnswers(50);
  // They learn of it only when they read.
  while (!/MAX_UNREAD_REPLIES|pipelined/.test(attacked.output())) await sleep(50);
  for (const socket of deaf) socket.resume();
  while (deaf.some(isOpen)) await sleep(50);
  await expectAnswers(20);
});
