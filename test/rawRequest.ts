import { once } from 'node:events';
import { type Agent, type IncomingMessage, request as httpRequest } from 'node:http';
import { buffer } from 'node:stream/consumers';

export type RawReply = {
  status: number;
  headers: IncomingMessage['headers'];
  text: string;
  bytes: Buffer;
  body: ErrorBody;
};
export type ErrorBody = {
  code?: string;
  message?: string;
  details?: Record<string, unknown>;
  requestInfo?: { method: string; params: object; payload: object; time: string };
};

/** Sends exactly this: node's fetch would correct or refuse some of it. */
export async function rawRequest(
  url: string,
  options: {
    method?: string;
    path?: string;
    headers?: Record<string, string>;
    body?: string | Buffer;
    agent?: Agent | false;
  } = {},
): Promise<RawReply> {
  const { method = 'GET', path, headers = {}, body, agent } = options;
  const { hostname, port, pathname, search } = new URL(url);
  const length =
    body === undefined || 'transfer-encoding' in headers
      ? {}
      : { 'content-length': String(Buffer.byteLength(body)) };
  const request = httpRequest({
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port,
    method,
    path: path ?? pathname + search,
    headers: { ...length, ...headers },
    agent,
  });
  request.on('error', () => undefined);
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const bytes = await buffer(response);
  const received = bytes.toString();
  const isPacked = response.headers['content-encoding'] !== undefined;
  const isJson =
    received !== '' && !isPacked && response.headers['content-type']?.startsWith('application/json');
  return {
    status: response.statusCode!,
    headers: response.headers,
    text: received,
    bytes,
    body: isJson ? (JSON.parse(received) as ErrorBody) : {},
  };
}
