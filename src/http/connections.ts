import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { ApiError } from '../domain/errors.ts';
import { limitLogLines } from '../process/limitLogLines.ts';
import { addressBlock } from './addressBlock.ts';
import { heldText } from './send.ts';

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
const LOOK_EVERY = 250;
/** A connection that was used in so long (ms) is not taken for idle while there is something else to close. */
const LATELY = 1000;
/** A connection that is told why it is closed has this long (ms) to take that. */
const LINGER = 2000;
/** Requests of one connection that may wait for the reply to the first of them. */
const MOST_PIPELINED = 32;
const MOST_LINES = 10;

/** What readBody tells of the bodies that it reads. */
export type Bodies = {
  /** Says how the body of a request is given up. */
  begin(request: IncomingMessage, giveUp: (reason: ApiError) => void): void;
  /** Notes how many bytes of it are in memory by now. */
  keep(request: IncomingMessage, bytes: number): void;
};

type Connection = {
  socket: Socket;
  holder: Holder;
  /** Since when (ms) it is idle, or its oldest request is under way. */
  since: number;
  wasUsed: boolean;
  underWay: number;
  /** The latest of each. */
  request: IncomingMessage | undefined;
  response: ServerResponse | undefined;
  /** Replies that wait for an earlier one. */
  waiting: ServerResponse[];
  giveUp: ((reason: ApiError) => void) | undefined;
  bodyBytes: number;
  /** Bytes that it had received when it became idle, and since when (ms) it is in the middle of a header. */
  bytesRead: number;
  headerSince: number | undefined;
};

/** What one address has. Both sets begin with what has been there for the longest. */
type Holder = {
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
  const holders = new Map<string, Holder>();
  let bodyBytes = 0;
  const tell = limitLogLines(log, {
    maxPerSecond: MOST_LINES,
    message: 'a connection was closed at a limit',
    countBy: 'address',
  });

  function opened(socket: Socket): void {
    const { remoteAddress } = socket;
    // It is gone already.
    if (remoteAddress === undefined) return void socket.destroy();
    const holder = holderAt(addressBlock(remoteAddress));
    const connection: Connection = {
      socket,
      holder,
      since: performance.now(),
      wasUsed: false,
      underWay: 0,
      request: undefined,
      response: undefined,
      waiting: [],
      giveUp: undefined,
      bodyBytes: 0,
      bytesRead: 0,
      headerSince: undefined,
    };
    connections.set(socket, connection);
    holder.all.add(connection);
    holder.idle.add(connection);
    socket.setTimeout(limits.keepAliveTimeout);
    socket.once('close', () => forget(connection));
    makeRoomFor(connection);
  }

  function holderAt(address: string): Holder {
    const known = holders.get(address);
    if (known) return known;
    const holder = { address, all: new Set(), idle: new Set(), busy: new Set(), bodyBytes: 0 } as Holder;
    holders.set(address, holder);
    return holder;
  }

  function forget(connection: Connection): void {
    const { socket, holder } = connection;
    if (!connections.delete(socket)) return;
    keepBytes(connection, 0);
    for (const set of [holder.all, holder.idle, holder.busy]) set.delete(connection);
    if (holder.all.size === 0) holders.delete(holder.address);
  }

  function makeRoomFor(fresh: Connection): void {
    const { maxConnections, maxConnectionsPerAddress = Infinity } = limits;
    const limit =
      fresh.holder.all.size > maxConnectionsPerAddress
        ? 'MAX_CONNECTIONS_PER_ADDRESS'
        : connections.size > maxConnections && 'MAX_CONNECTIONS';
    if (!limit) return;
    const most =
      limit === 'MAX_CONNECTIONS' ? largest(holders.values(), ({ all }) => all.size) : fresh.holder;
    let victim = victimOf(most, fresh);
    if (!victim && limit === 'MAX_CONNECTIONS')
      for (const holder of [...holders.values()].sort((a, b) => b.all.size - a.all.size))
        victim ??= victimOf(holder, fresh);
    close(victim ?? fresh, limit);
  }

  function victimOf({ idle, busy }: Holder, fresh: Connection): Connection | undefined {
    const now = performance.now();
    for (const each of idle) if (each !== fresh && (!each.wasUsed || now - each.since > LATELY)) return each;
    for (const each of busy) if (!each.request!.complete) return each;
    for (const each of idle) if (each !== fresh) return each;
    return undefined;
  }

  function close(connection: Connection, limit: string): void {
    const { socket, giveUp, holder, request } = connection;
    tell({ address: holder.address, limit, wasReading: request?.complete === false });
    forget(connection);
    if (!giveUp) return void socket.destroy();
    giveUp(
      new ApiError('TooManyRequests', `this service is at its limit ${limit}: try again`, { retryAfter: 1 }),
    );
    setTimeout(() => socket.destroy(), LINGER).unref();
  }

  function began(request: IncomingMessage, response: ServerResponse): void {
    const connection = connections.get(request.socket);
    if (!connection) return;
    const { holder, socket } = connection;
    connection.underWay += 1;
    if (connection.underWay === 1) {
      holder.idle.delete(connection);
      holder.busy.add(connection);
      connection.since = performance.now();
      // Node does so itself where a request was answered before.
      if (!connection.wasUsed) socket.setTimeout(limits.replyTimeout);
      connection.wasUsed = true;
    } else {
      connection.waiting.push(response);
      if (connection.waiting.length > MOST_PIPELINED) {
        connection.giveUp = undefined;
        return close(connection, `${MOST_PIPELINED} pipelined requests`);
      }
    }
    connection.request = request;
    connection.response = response;
    response.on('close', ended);
  }

  function ended(this: ServerResponse): void {
    const connection = connections.get(this.req.socket);
    if (!connection) return;
    const { holder, socket } = connection;
    connection.underWay -= 1;
    connection.giveUp = undefined;
    if (connection.waiting.length > 0) connection.waiting.shift();
    if (connection.underWay > 0) return;
    keepBytes(connection, 0);
    connection.request = connection.response = undefined;
    holder.busy.delete(connection);
    holder.idle.add(connection);
    connection.since = performance.now();
    connection.bytesRead = socket.bytesRead;
    connection.headerSince = undefined;
  }

  function keepBytes(connection: Connection, bytes: number): void {
    const more = bytes - connection.bodyBytes;
    connection.bodyBytes = bytes;
    connection.holder.bodyBytes += more;
    bodyBytes += more;
  }

  /** Of those who hold most, the body that takes longest goes first. */
  function giveUpBodies(): void {
    while (bodyBytes > limits.maxUnfinishedBodies) {
      const most = largest(holders.values(), (holder) => holder.bodyBytes);
      for (const connection of [...most.busy])
        if (connection.bodyBytes > 0) {
          close(connection, 'MAX_UNFINISHED_BODIES');
          if (bodyBytes <= limits.maxUnfinishedBodies) return;
        }
    }
  }

  const bodies: Bodies = {
    begin(request, giveUp) {
      const connection = connections.get(request.socket);
      if (connection) connection.giveUp = giveUp;
    },
    keep(request, bytes) {
      const connection = connections.get(request.socket);
      if (!connection) return;
      keepBytes(connection, bytes);
      if (bodyBytes > limits.maxUnfinishedBodies) giveUpBodies();
    },
  };

  function look(): void {
    const now = performance.now();
    let unread = 0;
    for (const connection of [...connections.values()]) {
      if (connection.underWay === 0) lookAtHeader(connection, now);
      else {
        lookAtBody(connection, now);
        unread += unreadOf(connection);
      }
    }
    if (unread > limits.maxUnreadReplies) giveUpReplies(unread);
  }

  function lookAtHeader(connection: Connection, now: number): void {
    const { socket, bytesRead, headerSince } = connection;
    if (headerSince === undefined) {
      if (socket.bytesRead > bytesRead) connection.headerSince = now;
    } else if (now - headerSince > limits.headersTimeout) {
      const late = new Error('the header of a request did not arrive in time');
      forget(connection);
      server.emit('clientError', Object.assign(late, { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket);
    }
  }

  function lookAtBody(connection: Connection, now: number): void {
    const { socket, request, since, giveUp } = connection;
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
  function giveUpReplies(unread: number): void {
    const sizes = new Map<Holder, number>();
    for (const connection of connections.values()) {
      const { holder } = connection;
      sizes.set(holder, (sizes.get(holder) ?? 0) + unreadOf(connection));
    }
    const bySize = [...sizes].sort(([, a], [, b]) => b - a).map(([holder]) => holder);
    let left = unread;
    for (const holder of bySize)
      for (const connection of [...holder.busy]) {
        if (left <= limits.maxUnreadReplies) return;
        const size = unreadOf(connection);
        if (size === 0) continue;
        left -= size;
        connection.giveUp = undefined;
        close(connection, 'MAX_UNREAD_REPLIES');
      }
  }

  /** To node, whatever takes long is late: here it is what nobody reads or sends. */
  function timedOut(socket: Socket): void {
    const connection = connections.get(socket);
    const isOurs = connection && connection.underWay > 0 && socket.writableLength === 0;
    if (isOurs) socket.setTimeout(limits.replyTimeout);
    else socket.destroy();
  }

  server.timeout = limits.replyTimeout;
  server.on('connection', opened).on('request', began).on('timeout', timedOut);
  const looking = setInterval(look, LOOK_EVERY).unref();
  server.once('close', () => clearInterval(looking));
  return { bodies, sockets: (): Iterable<Socket> => connections.keys() };
}

function largest(holders: Iterable<Holder>, sizeOf: (holder: Holder) => number): Holder {
  let most: Holder | undefined;
  for (const holder of holders) if (!most || sizeOf(holder) > sizeOf(most)) most = holder;
  return most!;
}

/** Bytes of replies that wait in this process to be taken. */
function unreadOf({ socket, response, waiting }: Connection): number {
  let bytes = socket.writableLength + heldText(response!);
  for (const each of waiting) bytes += each.writableLength + heldText(each);
  return bytes;
}
