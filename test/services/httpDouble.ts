import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request to the third party; the body is JSON. */
export type Asked = { method: string; path: string; headers: IncomingHttpHeaders; body: unknown };

/** A string is sent unchanged, anything else as JSON. `never`: the request stays open. */
export type DoubleAnswer = { status?: number; headers?: Record<string, string>; body?: unknown } | 'never';

export type HttpDouble = {
  url: string;
  /** Resolves when the next client waits that gets no answer. */
  waits(): Promise<unknown>;
  /** Resolves when the next client has disconnected without an answer. */
  left(): Promise<unknown>;
  stop(): void;
};

/** A double, on loopback, of a third party's HTTP API. */
export async function startHttpDouble(answer: (asked: Asked) => DoubleAnswer): Promise<HttpDouble> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const sent = Buffer.concat(chunks).toString();
    const { method, url, headers } = request;
    const given = answer({
      method: method!,
      path: url!,
      headers,
      body: sent === '' ? undefined : JSON.parse(sent),
    });
    if (given === 'never') {
      response.once('close', () => server.emit('left'));
      server.emit('waits');
      return;
    }
    const { status = 200, headers: more = {}, body = {} } = given;
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...more });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    waits: () => once(server, 'waits'),
    left: () => once(server, 'left'),
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
