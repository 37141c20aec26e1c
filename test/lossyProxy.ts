import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a server on which replies are late, or lost: the connection is cut in place of each reply that is to be dropped. */
export async function startLossyProxy(port: number) {
  const sockets = new Set<Socket>();
  let toDrop = 0;
  let dropped = 0;
  let delay = 0;
  const server = createServer((caller) => {
    const there = connect(port, '127.0.0.1');
    for (const socket of [caller, there]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => [caller, there].forEach((each) => each.destroy()));
    }
    caller.pipe(there);
    there.on('data', (reply) => {
      if (toDrop === 0) return void setTimeout(() => caller.write(reply), delay);
      toDrop -= 1;
      dropped += 1;
      caller.destroy();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    rootUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    port: (server.address() as AddressInfo).port,
    /** Replies are this late (ms) from now on. */
    delayBy: (ms: number) => (delay = ms),
    dropNext: () => (toDrop += 1),
    dropped: () => dropped,
    stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
