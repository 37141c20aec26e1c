import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { ApiError } from '../domain/errors.ts';
import { limitLogLines } from '../process/limitLogLines.ts';
import { errorBody } from './errorBody.ts';
import { headerTooLarge } from './headerLimits.ts';
import { jsonHeaders } from './send.ts';

const MAX_LINES_PER_SECOND = 10;
/** How long (ms) a closed connection is still read. A reset while the caller sends could make it lose the reply. */
const LINGER = 2000;

/**
 * Makes the listener for Node's `clientError` event. It answers input that Node cannot parse with an error in the API's
 * form, and closes the connection. If the reply to an earlier request is still pending, that reply is sent instead, as
 * the last one.
 */
export function makeClientErrorHandler(
  log: Logger,
): (error: Error & { code?: string }, socket: Socket) => void {
  // Node emits the event again for each further piece of input.
  const handled = new WeakSet<Socket>();
  const write = limitLogLines(log, {
    maxPerSecond: MAX_LINES_PER_SECOND,
    message: 'a request could not be read',
    countBy: 'sourceIp',
  });

  return (error, socket) => {
    if (handled.has(socket)) return;
    handled.add(socket);
    // On an unused connection, the caller would take an unsolicited reply for that to its first request.
    if (!socket.writable || socket.bytesRead === 0) return void socket.destroy();
    const pending = pendingReply(socket);
    if (pending?.req.complete) return void pending.once('finish', () => close(socket));
    if (pending?.headersSent) return void socket.destroy();
    const refusal = toApiError(error);
    // The error itself is not logged: it holds the raw input, which may contain a signature.
    write({ code: error.code, status: refusal.status, sourceIp: socket.remoteAddress });
    close(socket, replyText(refusal));
  };
}

/**
 * The reply that is pending on a connection. Node's own default handler of `clientError` reads the same private
 * property.
 */
function pendingReply(socket: Socket & { _httpMessage?: ServerResponse | null }): ServerResponse | undefined {
  return socket._httpMessage ?? undefined;
}

function toApiError({ code, message }: Error & { code?: string }): ApiError {
  if (code === 'HPE_HEADER_OVERFLOW') return headerTooLarge();
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

function close(socket: Socket, reply = ''): void {
  socket.end(reply);
  setTimeout(() => socket.destroy(), LINGER).unref();
}
