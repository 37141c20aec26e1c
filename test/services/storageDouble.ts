import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What passes for Azure's storage where no emulator is: it answers as a test says, and tells what it was asked. */
export type StorageDouble = {
  endpoint: string;
  /** Method and path of what it was asked since the last call. */
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
