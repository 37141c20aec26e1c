import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

export type Listener = { port: number; close(): void };

/** Listens on loopback, and hands over each connection; who handles none lets callers wait. */
export function listenPlain(onConnection: (socket: Socket) => void = () => undefined): Promise<Listener> {
  return listening(createServer(onConnection));
}

/** Listens on loopback with TLS, and lets callers wait. */
export function listenWithTls(certificate: { key: Buffer; cert: Buffer }): Promise<Listener> {
  return listening(createTlsServer(certificate).on('tlsClientError', () => undefined));
}

async function listening(server: Server): Promise<Listener> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A port of loopback at which nothing listens. */
export async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
