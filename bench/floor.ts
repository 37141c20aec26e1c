import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import hawk from 'hawk';

/**
 * The least that a server on bare node:http which judges Hawk signatures can do, for comparison. Both read a JSON body and
 * look up credentials in a Map. Floor A lets the hawk library judge and replies `JSON.stringify` of the same fields as
 * authledger. Floor B makes one HMAC instead, compares, and replies with a text of the same length that is ready.
 * Arguments: `A` or `B`, and a file with the clients as JSON.
 */
type Signed = { method: string; resource: string; host: string; port: number; authorization: string };
export type FloorClient = { clientId: string; accessToken: string; scopes: string[]; expires: string };

const [, , which, file] = process.argv;
const clients = JSON.parse(readFileSync(file!, 'utf8')) as FloorClient[];

function read(request: IncomingMessage, judge: (signed: Signed) => void): void {
  let whole: Buffer | undefined;
  request.on('data', (chunk: Buffer) => (whole = whole ? Buffer.concat([whole, chunk]) : chunk));
  request.on('end', () => judge(JSON.parse(whole!.toString()) as Signed));
}

function send(response: ServerResponse, text: string): void {
  response.writeHead(200, ['content-type', 'application/json', 'content-length', String(text.length)]);
  response.end(text, 'latin1');
}

function replyOf({ clientId, scopes, expires }: FloorClient): string {
  return JSON.stringify({ status: 'auth-success', scheme: 'hawk', clientId, scopes, expires });
}

function floorA(): RequestListener {
  const credentials = new Map(
    clients.map((client) => [
      client.clientId,
      { ...client, key: client.accessToken, algorithm: 'sha256' as const },
    ]),
  );
  const find = async (id: string) => credentials.get(id)!;
  return (request, response) =>
    read(request, ({ method, resource: url, host, port, authorization }) => {
      hawk.server
        .authenticate({ method: method.toUpperCase(), url, host, port, authorization }, find, {
          timestampSkewSec: 900,
        })
        .then(
          ({ artifacts }) => send(response, replyOf(credentials.get(artifacts.id)!)),
          () => response.writeHead(500).end(),
        );
    });
}

function floorB(): RequestListener {
  const known = new Map(
    clients.map((client) => [
      client.clientId,
      { key: client.accessToken, reply: Buffer.from(replyOf(client)).toString('latin1') },
    ]),
  );
  const fields = /^Hawk id="([^"]*)", ts="([^"]*)", nonce="([^"]*)", mac="([^"]*)"$/;
  return (request, response) =>
    read(request, ({ method, resource, host, port, authorization }) => {
      const [, id, ts, nonce, mac] = fields.exec(authorization)!;
      const { key, reply } = known.get(id!)!;
      const text = `hawk.1.header\n${ts}\n${nonce}\n${method.toUpperCase()}\n${resource}\n${host}\n${port}\n\n\n`;
      const made = createHmac('sha256', key).update(text).digest();
      if (timingSafeEqual(made, Buffer.from(mac!, 'base64'))) send(response, reply);
      else response.writeHead(500).end();
    });
}

const server = createServer(which === 'A' ? floorA() : floorB());
server.listen(0, '127.0.0.1', () =>
  console.log(`"rootUrl":"http://127.0.0.1:${(server.address() as AddressInfo).port}" "msg":"serving"`),
);
