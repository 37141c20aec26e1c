import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A double of Azure Storage: it answers as a test says, and records the requests. */
export type StorageDouble = {
  endpoint: string;
  /** Method and path of the requests since the last call. */
  asked(): string[];
  answer: (response: ServerResponse, request: IncomingMessage) => void;
  close(): void;
};

export async function startStorageDouble(): Promise<StorageDouble> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    request.resume();
    double.answer(response, request);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const double: StorageDouble = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked.splice(0),
    answer: (response) => response.writeHead(500).end(),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
  return double;
}
