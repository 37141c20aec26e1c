import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { ApiError } from '../domain/errors.ts';
import { limitLogLines } from '../process/limitLogLines.ts';
import { addressBlock } from './addressBlock.ts';
import { uncompressedLength } from './send.ts';

export type ConnectionLimits = Pick<
  Config,
  | 'maxConnections'
  | 'maxConnectionsPerAddress'
  | 'maxUnfinishedBodies'
  | 'maxUnreadReplies'
  | 'keepAliveTimeout'
  | 'headersTimeout'
  | 'bodyTimeout'
  | 'replyTimeout'
>;

/** How often (ms) connections are checked for timeouts. */
const CHECK_INTERVAL = 250;
/** An idle connection that was used within this time (ms) is closed only if no other one can be. */
const RECENTLY_USED = 1000;
/** How long (ms) a caller may take to read the error reply before its connection is closed. */
const LINGER = 2000;
/** Requests that one connection may pipeline behind the first unanswered one. */
const MAX_PIPELINED = 32;
const MAX_LINES_PER_SECOND = 10;

/** Tracks bodies while readBody reads them, to bound the memory that they take. */
export type BodyTracker = {
  /** A body begins. `abort` makes reading it fail with the given error. */
  start(request: IncomingMessage, abort: (reason: ApiError) => void): void;
  /** Sets how many bytes of it are buffered in memory. */
  setBuffered(request: IncomingMessage, bytes: number): void;
};

type Connection = {
  socket: Socket;
  peer: Peer;
  /** When (ms) it became idle, or its oldest pending request began. */
  since: number;
  wasUsed: boolean;
  pendingReplies: number;
  /** The latest request and its response. */
  request: IncomingMessage | undefined;
  response: ServerResponse | undefined;
  /** Replies queued behind an earlier one. */
  pipelined: ServerResponse[];
  abortBody: ((reason: ApiError) => void) | undefined;
  bodyBytes: number;
  /** Bytes that it had received when it became idle. */
  bytesReadWhenIdle: number;
  /** When (ms) the header that it is sending began. */
  headerSince: number | undefined;
};

/** The connections of one block of addresses (see addressBlock). `idle` and `busy` are ordered, oldest first. */
type Peer = {
  address: string;
  all: Set<Connection>;
  idle: Set<Connection>;
  busy: Set<Connection>;
  bodyBytes: number;
};

/**
 * Enforces the limits on connections: their number, the time that a header, a body and a reply may take, and the memory
 * that incomplete bodies and unread replies may take. At a limit, the address that uses the most loses first: its
 * oldest idle connection, then its oldest incomplete body. Returns what tracks bodies, and all open sockets.
 */
export function limitConnections(server: Server, { limits, log }: { limits: ConnectionLimits; log: Logger }) {
  const connections = new Map<Socket, Connection>();
  const peers = new Map<string, Peer>();
  let bodyBytes = 0;
  const logClosed = limitLogLines(log, {
    maxPerSecond: MAX_LINES_PER_SECOND,
    message: 'a connection was closed at a limit',
    countBy: 'address',
  });

  function onConnection(socket: Socket): void {
    const { remoteAddress } = socket;
    // It is closed already.
    if (remoteAddress === undefined) return void socket.destroy();
    const peer = peerAt(addressBlock(remoteAddress));
    const connection: Connection = {
      socket,
      peer,
      since: performance.now(),
      wasUsed: false,
      pendingReplies: 0,
      request: undefined,
      response: undefined,
      pipelined: [],
      abortBody: undefined,
      bodyBytes: 0,
      bytesReadWhenIdle: 0,
      headerSince: undefined,
    };
    connections.set(socket, connection);
    peer.all.add(connection);
    peer.idle.add(connection);
    socket.setTimeout(limits.keepAliveTimeout);
    socket.once('close', () => forget(connection));
    makeRoomFor(connection);
  }

  function peerAt(address: string): Peer {
    const known = peers.get(address);
    if (known) return known;
    const peer = { address, all: new Set(), idle: new Set(), busy: new Set(), bodyBytes: 0 } as Peer;
    peers.set(address, peer);
    return peer;
  }

  function forget(connection: Connection): void {
    const { socket, peer } = connection;
    if (!connections.delete(socket)) return;
    setBodyBytes(connection, 0);
    for (const set of [peer.all, peer.idle, peer.busy]) set.delete(connection);
    if (peer.all.size === 0) peers.delete(peer.address);
  }

  function makeRoomFor(fresh: Connection): void {
    const { maxConnections, maxConnectionsPerAddress = Infinity } = limits;
    const limit =
      fresh.peer.all.size > maxConnectionsPerAddress
        ? 'MAX_CONNECTIONS_PER_ADDRESS'
        : connections.size > maxConnections && 'MAX_CONNECTIONS';
    if (!limit) return;
    const largest =
      limit === 'MAX_CONNECTIONS' ? largestPeer(peers.values(), ({ all }) => all.size) : fresh.peer;
    let victim = findVictim(largest, fresh);
    if (!victim && limit === 'MAX_CONNECTIONS')
      for (const peer of [...peers.values()].sort((a, b) => b.all.size - a.all.size))
        victim ??= findVictim(peer, fresh);
    close(victim ?? fresh, limit);
  }

  function findVictim({ idle, busy }: Peer, fresh: Connection): Connection | undefined {
    const now = performance.now();
    for (const each of idle)
      if (each !== fresh && (!each.wasUsed || now - each.since > RECENTLY_USED)) return each;
    for (const each of busy) if (!each.request!.complete) return each;
    for (const each of idle) if (each !== fresh) return each;
    return undefined;
  }

  function close(connection: Connection, limit: string): void {
    const { socket, abortBody, peer, request } = connection;
    logClosed({ address: peer.address, limit, wasReading: request?.complete === false });
    forget(connection);
    if (!abortBody) return void socket.destroy();
    abortBody(
      new ApiError('TooManyRequests', `this service is at its limit ${limit}: try again`, { retryAfter: 1 }),
    );
    setTimeout(() => socket.destroy(), LINGER).unref();
  }

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    const connection = connections.get(request.socket);
    if (!connection) return;
    const { peer, socket } = connection;
    connection.pendingReplies += 1;
    if (connection.pendingReplies === 1) {
      peer.idle.delete(connection);
      peer.busy.add(connection);
      connection.since = performance.now();
      // After the first request, Node does this itself.
      if (!connection.wasUsed) socket.setTimeout(limits.replyTimeout);
      connection.wasUsed = true;
    } else {
      connection.pipelined.push(response);
      if (connection.pipelined.length > MAX_PIPELINED) {
        connection.abortBody = undefined;
        return close(connection, `${MAX_PIPELINED} pipelined requests`);
      }
    }
    connection.request = request;
    connection.response = response;
    response.on('close', onReplyClosed);
  }

  function onReplyClosed(this: ServerResponse): void {
    const connection = connections.get(this.req.socket);
    if (!connection) return;
    const { peer, socket } = connection;
    connection.pendingReplies -= 1;
    connection.abortBody = undefined;
    if (connection.pipelined.length > 0) connection.pipelined.shift();
    if (connection.pendingReplies > 0) return;
    setBodyBytes(connection, 0);
    connection.request = connection.response = undefined;
    peer.busy.delete(connection);
    peer.idle.add(connection);
    connection.since = performance.now();
    connection.bytesReadWhenIdle = socket.bytesRead;
    connection.headerSince = undefined;
  }

  function setBodyBytes(connection: Connection, bytes: number): void {
    const more = bytes - connection.bodyBytes;
    connection.bodyBytes = bytes;
    connection.peer.bodyBytes += more;
    bodyBytes += more;
  }

  /** Aborts the oldest bodies of the address that buffers the most, until the rest fits the limit. */
  function abortBodies(): void {
    while (bodyBytes > limits.maxUnfinishedBodies) {
      const largest = largestPeer(peers.values(), (peer) => peer.bodyBytes);
      for (const connection of [...largest.busy])
        if (connection.bodyBytes > 0) {
          close(connection, 'MAX_UNFINISHED_BODIES');
          if (bodyBytes <= limits.maxUnfinishedBodies) return;
        }
    }
  }

  const bodies: BodyTracker = {
    start(request, abort) {
      const connection = connections.get(request.socket);
      if (connection) connection.abortBody = abort;
    },
    setBuffered(request, bytes) {
      const connection = connections.get(request.socket);
      if (!connection) return;
      setBodyBytes(connection, bytes);
      if (bodyBytes > limits.maxUnfinishedBodies) abortBodies();
    },
  };

  function checkAll(): void {
    const now = performance.now();
    let unread = 0;
    for (const connection of [...connections.values()]) {
      if (connection.pendingReplies === 0) checkHeader(connection, now);
      else {
        checkBody(connection, now);
        unread += unreadBytes(connection);
      }
    }
    if (unread > limits.maxUnreadReplies) abortReplies(unread);
  }

  function checkHeader(connection: Connection, now: number): void {
    const { socket, bytesReadWhenIdle: bytesRead, headerSince } = connection;
    if (headerSince === undefined) {
      if (socket.bytesRead > bytesRead) connection.headerSince = now;
    } else if (now - headerSince > limits.headersTimeout) {
      const late = new Error('the header of a request did not arrive in time');
      forget(connection);
      server.emit('clientError', Object.assign(late, { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket);
    }
  }

  function checkBody(connection: Connection, now: number): void {
    const { socket, request, since, abortBody } = connection;
    if (request!.complete || now - since <= limits.bodyTimeout) return;
    forget(connection);
    if (!abortBody) return void socket.destroy();
    const seconds = limits.bodyTimeout / 1000;
    abortBody(
      new ApiError('MalformedPayload', `the body did not arrive whole within ${seconds} s (BODY_TIMEOUT)`),
    );
    setTimeout(() => socket.destroy(), LINGER).unref();
  }

  /** Closes the connections of the addresses with the most unread replies, until the rest fits the limit. */
  function abortReplies(unread: number): void {
    const sizes = new Map<Peer, number>();
    for (const connection of connections.values()) {
      const { peer } = connection;
      sizes.set(peer, (sizes.get(peer) ?? 0) + unreadBytes(connection));
    }
    const bySize = [...sizes].sort(([, a], [, b]) => b - a).map(([peer]) => peer);
    let remaining = unread;
    for (const peer of bySize)
      for (const connection of [...peer.busy]) {
        if (remaining <= limits.maxUnreadReplies) return;
        const size = unreadBytes(connection);
        if (size === 0) continue;
        remaining -= size;
        connection.abortBody = undefined;
        close(connection, 'MAX_UNREAD_REPLIES');
      }
  }

  /** Node counts any inactive time. While this service is still working on a reply, the caller is not to blame. */
  function onTimeout(socket: Socket): void {
    const connection = connections.get(socket);
    const isOurTurn = connection && connection.pendingReplies > 0 && socket.writableLength === 0;
    if (isOurTurn) socket.setTimeout(limits.replyTimeout);
    else socket.destroy();
  }

  server.timeout = limits.replyTimeout;
  server.on('connection', onConnection).on('request', onRequest).on('timeout', onTimeout);
  const timer = setInterval(checkAll, CHECK_INTERVAL).unref();
  server.once('close', () => clearInterval(timer));
  return { bodies, sockets: (): Iterable<Socket> => connections.keys() };
}

function largestPeer(peers: Iterable<Peer>, sizeOf: (peer: Peer) => number): Peer {
  let largest: Peer | undefined;
  for (const peer of peers) if (!largest || sizeOf(peer) > sizeOf(largest)) largest = peer;
  return largest!;
}

/** Bytes of replies that are buffered in this process until the caller reads them. */
function unreadBytes({ socket, response, pipelined }: Connection): number {
  let bytes = socket.writableLength + uncompressedLength(response!);
  for (const each of pipelined) bytes += each.writableLength + uncompressedLength(each);
  return bytes;
}
