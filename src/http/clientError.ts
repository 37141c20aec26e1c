import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { ApiError } from '../domain/errors.ts';
import { limitLogLines } from '../process/limitLogLines.ts';
import { errorBody } from './errorReply.ts';
import { tooLargeTogether } from './headerLimits.ts';
import { jsonHeaders } from './send.ts';

/** Lines in a second. */
const MOST_LINES = 10;
/** A caller has this long (ms) to read why it was refused: what it still sends would take the reply from it if nobody read it. */
const LINGER = 2000;

/**
 * Makes the listener for node's `clientError`: answers what node cannot read as a request with an error in the API's form, and
 * closes the connection. The reply to an earlier request that is still to be sent comes first, and is the last.
 */
export function makeAnswerClientError(
  log: Logger,
): (error: Error & { code?: string }, socket: Socket) => void {
  // Node tells of each piece that comes after the first that it could not read.
  const known = new WeakSet<Socket>();
  const write = limitLogLines(log, {
    maxPerSecond: MOST_LINES,
    message: 'a request could not be read',
    countBy: 'sourceIp',
  });

  return (error, socket) => {
    if (known.has(socket)) return;
    known.add(socket);
    // Nobody is there, or a connection was never used: a reply to no request would be taken for that of the first one.
    if (!socket.writable || socket.bytesRead === 0) return void socket.destroy();
    const underWay = replyUnderWay(socket);
    if (underWay?.req.complete) return void underWay.once('finish', () => close(socket));
    if (underWay?.headersSent) return void socket.destroy();
    const refusal = refusalOf(error);
    // The error itself holds what was received, a signature perhaps.
    write({ code: error.code, status: refusal.status, sourceIp: socket.remoteAddress });
    close(socket, replyText(refusal));
  };
}

/** The reply that a connection is busy with: node keeps it there, and looks there itself where nobody listens for errors. */
function replyUnderWay(
  socket: Socket & { _httpMessage?: ServerResponse | null },
): ServerResponse | undefined {
  return socket._httpMessage ?? undefined;
}

function refusalOf({ code, message }: Error & { code?: string }): ApiError {
  if (code === 'HPE_HEADER_OVERFLOW') return tooLargeTogether();
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW')
    return new ApiError('InputTooLarge', 'the extensions of the chunks of the body are too long');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new ApiError('MalformedPayload', 'the request did not arrive whole in time');
  return new ApiError('MalformedPayload', `this is not a request of HTTP/1.1: ${message}`);
}

function replyText(error: ApiError): string {
  const time = new Date().toJSON();
  const body = JSON.stringify(errorBody(error, { method: '', params: {}, payload: {}, time }));
  const headers = ['connection', 'close', ...jsonHeaders(Buffer.byteLength(body))];
  const lines = headers.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${headers[i + 1]}`] : []));
  return [`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`, ...lines, '', body].join('\r\n');
}

function close(socket: Socket, lastWords = ''): void {
  socket.end(lastWords);
  setTimeout(() => socket.destroy(), LINGER).unref();
}
