import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';

/** Whether this process may listen at port 80 of any loopback address. */
export function mayListenAtPort80(): boolean {
  if (process.platform !== 'linux') return false;
  const first = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  return process.getuid!() === 0 || first <= 80;
}

/** Hands on what comes to port 80 of a loopback address of its own to a port of 127.0.0.1: a root URL without a port. */
export async function atPort80(port: number): Promise<{ rootUrl: string; close(): void }> {
  const host = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
  const sockets = new Set<Socket>();
  const server = createServer((incoming) => {
    const outgoing = connect(port, '127.0.0.1');
    incoming.pipe(outgoing).pipe(incoming);
    for (const [socket, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy()).on('close', () => (sockets.delete(socket), other.destroy()));
    }
  });
  server.listen(80, host);
  await once(server, 'listening');
  return {
    rootUrl: `http://${host}`,
    close() {
      server.close();
      sockets.forEach((socket) => socket.destroy());
    },
  };
}
