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

/** How often (ms) it is looked for what is late. */
const CHECK_INTERVAL = 250;
/** A connection that was used in so long (ms) is not taken for idle while there is something else to close. */
const RECENTLY_USED = 1000;
/** A connection that is told why it is closed has this long (ms) to take that. */
const LINGER = 2000;
/** Requests of one connection that may wait for the reply to the first of them. */
const MAX_PIPELINED = 32;
const MAX_LINES_PER_SECOND = 10;

/** What readBody tells of the bodies that it reads. */
export type BodyTracker = {
  /** Says how the body of a request is given up. */
  start(request: IncomingMessage, giveUp: (reason: ApiError) => void): void;
  /** Notes how many bytes of it are in memory by now. */
  setBuffered(request: IncomingMessage, bytes: number): void;
};

type Connection = {
  socket: Socket;
  peer: Peer;
  /** Since when (ms) it is idle, or its oldest request is under way. */
  since: number;
  wasUsed: boolean;
  pendingReplies: number;
  /** The latest of each. */
  request: IncomingMessage | undefined;
  response: ServerResponse | undefined;
  /** Replies that wait for an earlier one. */
  pipelined: ServerResponse[];
  abortBody: ((reason: ApiError) => void) | undefined;
  bodyBytes: number;
  /** Bytes that it had received when it became idle, and since when (ms) it is in the middle of a header. */
  bytesReadWhenIdle: number;
  headerSince: number | undefined;
};

/** What one address has. Both sets begin with what has been there for the longest. */
type Peer = {
  address: string;
  all: Set<Connection>;
  idle: Set<Connection>;
  busy: Set<Connection>;
  bodyBytes: number;
};

/**
 * Bounds what connections may take: how many there are, how long a header, a body and a reply may take, and how much is kept of
 * bodies that are not whole and of replies that nobody reads. At a limit the address that holds most loses first: its oldest idle
 * connection, then the body that takes longest.
 */
export function limitConnections(server: Server, { limits, log }: { limits: ConnectionLimits; log: Logger }) {
  const connections = new Map<Socket, Connection>();
  const holders = new Map<string, Peer>();
  let bodyBytes = 0;
  const logClosed = limitLogLines(log, {
    most: MAX_LINES_PER_SECOND,
    message: 'a connection was closed at a limit',
    countBy: 'address',
  });

  function onConnection(socket: Socket): void {
    const { remoteAddress } = socket;
    // It is gone already.
    if (remoteAddress === undefined) return void socket.destroy();
    const holder = peerAt(addressBlock(remoteAddress));
    const connection: Connection = {
      socket,
      peer: holder,
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
    holder.all.add(connection);
    holder.idle.add(connection);
    socket.setTimeout(limits.keepAliveTimeout);
    socket.once('close', () => forget(connection));
    makeRoomFor(connection);
  }

  function peerAt(address: string): Peer {
    const known = holders.get(address);
    if (known) return known;
    const holder = { address, all: new Set(), idle: new Set(), busy: new Set(), bodyBytes: 0 } as Peer;
    holders.set(address, holder);
    return holder;
  }

  function forget(connection: Connection): void {
    const { socket, peer: holder } = connection;
    if (!connections.delete(socket)) return;
    setBodyBytes(connection, 0);
    for (const set of [holder.all, holder.idle, holder.busy]) set.delete(connection);
    if (holder.all.size === 0) holders.delete(holder.address);
  }

  function makeRoomFor(fresh: Connection): void {
    const { maxConnections, maxConnectionsPerAddress = Infinity } = limits;
    const limit =
      fresh.peer.all.size > maxConnectionsPerAddress
        ? 'MAX_CONNECTIONS_PER_ADDRESS'
        : connections.size > maxConnections && 'MAX_CONNECTIONS';
    if (!limit) return;
    const most =
      limit === 'MAX_CONNECTIONS' ? largestPeer(holders.values(), ({ all }) => all.size) : fresh.peer;
    let victim = findVictim(most, fresh);
    if (!victim && limit === 'MAX_CONNECTIONS')
      for (const holder of [...holders.values()].sort((a, b) => b.all.size - a.all.size))
        victim ??= findVictim(holder, fresh);
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
    const { socket, abortBody: giveUp, peer: holder, request } = connection;
    logClosed({ address: holder.address, limit, wasReading: request?.complete === false });
    forget(connection);
    if (!giveUp) return void socket.destroy();
    giveUp(
      new ApiError('TooManyRequests', `this service is at its limit ${limit}: try again`, { retryAfter: 1 }),
    );
    setTimeout(() => socket.destroy(), LINGER).unref();
  }

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    const connection = connections.get(request.socket);
    if (!connection) return;
    const { peer: holder, socket } = connection;
    connection.pendingReplies += 1;
    if (connection.pendingReplies === 1) {
      holder.idle.delete(connection);
      holder.busy.add(connection);
      connection.since = performance.now();
      // Node does so itself where a request was answered before.
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
    const { peer: holder, socket } = connection;
    connection.pendingReplies -= 1;
    connection.abortBody = undefined;
    if (connection.pipelined.length > 0) connection.pipelined.shift();
    if (connection.pendingReplies > 0) return;
    setBodyBytes(connection, 0);
    connection.request = connection.response = undefined;
    holder.busy.delete(connection);
    holder.idle.add(connection);
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

  /** Of those who hold most, the body that takes longest goes first. */
  function abortBodies(): void {
    while (bodyBytes > limits.maxUnfinishedBodies) {
      const most = largestPeer(holders.values(), (holder) => holder.bodyBytes);
      for (const connection of [...most.busy])
        if (connection.bodyBytes > 0) {
          close(connection, 'MAX_UNFINISHED_BODIES');
          if (bodyBytes <= limits.maxUnfinishedBodies) return;
        }
    }
  }

  const bodies: BodyTracker = {
    start(request, giveUp) {
      const connection = connections.get(request.socket);
      if (connection) connection.abortBody = giveUp;
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
    const { socket, request, since, abortBody: giveUp } = connection;
    if (request!.complete || now - since <= limits.bodyTimeout) return;
    forget(connection);
    if (!giveUp) return void socket.destroy();
    const seconds = limits.bodyTimeout / 1000;
    giveUp(
      new ApiError('MalformedPayload', `the body did not arrive whole within ${seconds} s (BODY_TIMEOUT)`),
    );
    setTimeout(() => socket.destroy(), LINGER).unref();
  }

  /** Of the addresses whose replies are unread, those that have most go on least. */
  function abortReplies(unread: number): void {
    const sizes = new Map<Peer, number>();
    for (const connection of connections.values()) {
      const { peer: holder } = connection;
      sizes.set(holder, (sizes.get(holder) ?? 0) + unreadBytes(connection));
    }
    const bySize = [...sizes].sort(([, a], [, b]) => b - a).map(([holder]) => holder);
    let left = unread;
    for (const holder of bySize)
      for (const connection of [...holder.busy]) {
        if (left <= limits.maxUnreadReplies) return;
        const size = unreadBytes(connection);
        if (size === 0) continue;
        left -= size;
        connection.abortBody = undefined;
        close(connection, 'MAX_UNREAD_REPLIES');
      }
  }

  /** To node, whatever takes long is late: here it is what nobody reads or sends. */
  function onTimeout(socket: Socket): void {
    const connection = connections.get(socket);
    const isOurs = connection && connection.pendingReplies > 0 && socket.writableLength === 0;
    if (isOurs) socket.setTimeout(limits.replyTimeout);
    else socket.destroy();
  }

  server.timeout = limits.replyTimeout;
  server.on('connection', onConnection).on('request', onRequest).on('timeout', onTimeout);
  const timer = setInterval(checkAll, CHECK_INTERVAL).unref();
  server.once('close', () => clearInterval(timer));
  return { bodies, sockets: (): Iterable<Socket> => connections.keys() };
}

function largestPeer(holders: Iterable<Peer>, sizeOf: (holder: Peer) => number): Peer {
  let most: Peer | undefined;
  for (const holder of holders) if (!most || sizeOf(holder) > sizeOf(most)) most = holder;
  return most!;
}

/** Bytes of replies that wait in this process to be taken. */
function unreadBytes({ socket, response, pipelined: waiting }: Connection): number {
  let bytes = socket.writableLength + uncompressedLength(response!);
  for (const each of waiting) bytes += each.writableLength + uncompressedLength(each);
  return bytes;
}
