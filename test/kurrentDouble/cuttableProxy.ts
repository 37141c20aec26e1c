import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * A way to a server on loopback that can be cut, for those who are on it and those who come. It listens on the port `at`, on
 * any that is free when left out, of this loopback address.
 */
export async function startCuttableProxy(port: number, at = 0, host = '127.0.0.1') {
  const sockets = new Set<Socket>();
  let isOpen = true;
  let accepted = 0;
  const server = createServer((one) => {
    accepted += 1;
    if (!isOpen) return one.destroy();
    const other = connect({ port, host: '127.0.0.1' });
    for (const socket of [one, other]) socket.setNoDelay(true);
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => undefined);
      from.once('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  }).listen(at, host);
  await once(server, 'listening');
  const cut = (): void => sockets.forEach((socket) => socket.destroy());
  return {
    port: (server.address() as AddressInfo).port,
    /** How many connections were made to it so far. */
    connections: () => accepted,
    /** Cuts all connections; new ones can be made at once. */
    cut,
    /** Carries nothing any more over the connections there are, without ending them; new ones can be made at once. */
    freeze: () => sockets.forEach((socket) => socket.unpipe().pause()),
    /** Lets nobody through until `open` is called. */
    shut(): void {
      isOpen = false;
      cut();
    },
    open(): void {
      isOpen = true;
    },
    async close(): Promise<void> {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
