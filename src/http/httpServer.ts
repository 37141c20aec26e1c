import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from 'pino';
import { maxConnections } from '../process/maxConnections.ts';
import type { Config } from '../config/config.ts';
import { makeClientErrorHandler } from './clientErrorHandler.ts';
import { type BodyTracker, type ConnectionLimits, limitConnections } from './limitConnections.ts';
import { PARSER_LIMITS } from './headerLimits.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** How long (ms) a stop waits for pending requests. */
const DRAIN_TIMEOUT = 30 * SECOND;

/** An HTTP server that listens on a port. */
export type HttpServer = {
  server: Server;
  port: number;
  /** Bounds the memory that request bodies take. */
  bodies: BodyTracker;
  /** Stops accepting requests; resolves when the pending ones are answered. */
  drain(): Promise<void>;
};

/**
 * Starts to listen. The caller adds the request listener. Rejects with Node's own error if the port cannot be bound.
 */
export function listen(
  config: Pick<Config, 'host' | 'port'> & ConnectionLimits,
  log: Logger,
): Promise<HttpServer> {
  const { maxHeaderSize, maxHeadersCount } = PARSER_LIMITS;
  // Without a host, Node itself would reply with a bare status; headerLimits.ts replies with an error body.
  const server = createServer({ ...timeouts(config), maxHeaderSize, requireHostHeader: false });
  server.maxHeadersCount = maxHeadersCount;
  server.on('clientError', makeClientErrorHandler(log));
  const limits = { ...config, maxConnections: affordableConnections(config.maxConnections, log) };
  const { bodies, sockets } = limitConnections(server, { limits, log });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, () => {
      const { port } = server.address() as AddressInfo;
      resolve({ server, port, bodies, drain: () => drain(server, sockets) });
    });
  });
}

/** The given maximum, or as many connections as the limit of open files allows beside the databases. */
function affordableConnections(max: number, log: Logger): number {
  const room = maxConnections();
  if (room < max)
    log.warn(
      { maxConnections: max, taken: room },
      'the limit of open files (ulimit -n) leaves room for fewer connections than MAX_CONNECTIONS',
    );
  return Math.min(max, room);
}

/**
 * The timeout of headers is enforced in limitConnections.ts. Node's own would also close connections that are still
 * unused.
 */
function timeouts({ keepAliveTimeout }: Pick<Config, 'keepAliveTimeout'>) {
  const headersTimeout = Math.max(MINUTE / 2, keepAliveTimeout + SECOND);
  return { keepAliveTimeout, headersTimeout, requestTimeout: Math.max(MINUTE, headersTimeout) };
}

/** Drops no accepted request. Keep-alive connections end with their next reply. */
function drain(server: Server, sockets: () => Iterable<Socket>): Promise<void> {
  // For connections whose request is pending already.
  server.keepAliveTimeout = 1;
  server.prependListener('request', (_, response) => response.setHeader('connection', 'close'));
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), DRAIN_TIMEOUT);
    server.close(() => {
      clearTimeout(force);
      resolve();
    });
    server.closeIdleConnections();
    // Node counts unused connections as busy.
    for (const socket of sockets()) if (socket.bytesRead === 0) socket.destroy();
  });
}
