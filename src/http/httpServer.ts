import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from 'pino';
import { maxConnections } from '../process/maxConnections.ts';
import type { Config } from '../config/config.ts';
import { makeAnswerClientError } from './clientError.ts';
import { type Bodies, type ConnectionLimits, limitConnections } from './connections.ts';
import { PARSER_LIMITS } from './headerLimits.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** Requests under way when the service is told to stop have this long (ms) to end. */
const DRAIN = 30 * SECOND;

/** A server that listens at a port. */
export type Listening = {
  server: Server;
  port: number;
  /** Bounds the bodies of requests. */
  bodies: Bodies;
  /** Takes no further request; resolves when those under way are answered. */
  drain(): Promise<void>;
};

/** Starts to listen; what answers is for the caller to add. Rejects with node's own error where that is not possible. */
export function listen(
  config: Pick<Config, 'host' | 'port'> & ConnectionLimits,
  log: Logger,
): Promise<Listening> {
  const { maxHeaderSize, maxHeadersCount } = PARSER_LIMITS;
  // A request without a host is refused as any other one is, and not with nothing but a status.
  const server = createServer({ ...timeouts(config), maxHeaderSize, requireHostHeader: false });
  server.maxHeadersCount = maxHeadersCount;
  server.on('clientError', makeAnswerClientError(log));
  const limits = { ...config, maxConnections: connectionsWithin(config.maxConnections, log) };
  const { bodies, sockets } = limitConnections(server, { limits, log });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, () => {
      const { port } = server.address() as AddressInfo;
      resolve({ server, port, bodies, drain: () => drain(server, sockets) });
    });
  });
}

/** As many connections as are asked for, or as the operating system leaves room for beside the databases. */
function connectionsWithin(most: number, log: Logger): number {
  const room = maxConnections();
  if (room < most)
    log.warn(
      { maxConnections: most, taken: room },
      'the limit of open files (ulimit -n) leaves room for fewer connections than MAX_CONNECTIONS',
    );
  return Math.min(most, room);
}

/** Headers that are late are looked for elsewhere: to node, a connection that was not used yet is one whose headers are late. */
function timeouts({ keepAliveTimeout }: Pick<Config, 'keepAliveTimeout'>) {
  const headersTimeout = Math.max(MINUTE / 2, keepAliveTimeout + SECOND);
  return { keepAliveTimeout, headersTimeout, requestTimeout: Math.max(MINUTE, headersTimeout) };
}

/** No accepted request is dropped; connections that are kept alive end with their next reply. */
function drain(server: Server, sockets: () => Iterable<Socket>): Promise<void> {
  // Also those whose request was under way already.
  server.keepAliveTimeout = 1;
  server.prependListener('request', (_, response) => response.setHeader('connection', 'close'));
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), DRAIN);
    server.close(() => {
      clearTimeout(force);
      resolve();
    });
    server.closeIdleConnections();
    // To node, those that were not used yet are busy.
    for (const socket of sockets()) if (socket.bytesRead === 0) socket.destroy();
  });
}
