import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { rawRequest } from '../rawRequest.ts';
import { startService, type TestService } from '../startService.ts';

let service: TestService;
const agent = new Agent({ keepAlive: true });
afterEach(async () => {
  agent.destroy();
  await service.remove();
});

const ping = () => rawRequest(`${service.rootUrl}/api/auth/v1/ping`, { agent });
const openSocket = async (): Promise<Socket> => {
  const socket = connect(service.port, '127.0.0.1').resume();
  await once(socket, 'connect');
  return socket;
};

describe('a connection on which nothing happens', () => {
  test('stays open for 90 s', async () => {
    service = await startService();
    expect((await ping()).headers).toMatchObject({ connection: 'keep-alive', 'keep-alive': 'timeout=90' });
  });

  test('stays open for as long as KEEP_ALIVE_TIMEOUT says, and not longer', async () => {
    service = await startService({ KEEP_ALIVE_TIMEOUT: '1s' });
    expect((await ping()).headers['keep-alive']).toBe('timeout=1');
    const socket = await openSocket();
    socket.write('GET /api/auth/v1/ping HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(socket, 'close');
  });

  test('does not hold up a stop, whether it was used or not', async () => {
    service = await startService({ KEEP_ALIVE_TIMEOUT: '7200s' });
    expect((await ping()).status).toBe(200);
    const unused = await openSocket();
    const closed = once(unused, 'close');
    // Else the stop could come before the connection is established.
    expect((await ping()).status).toBe(200);
    await service.stop();
    await closed;
  }, 20_000);
});
