import type { Socket } from 'node:net';
import { BSON } from 'mongodb';
import { type Listener, listenPlain } from './listeners.ts';

const OP_QUERY = 2004;
const OP_REPLY = 1;
const OP_MSG = 2013;
const HELLO = {
  helloOk: true,
  isWritablePrimary: true,
  maxWireVersion: 21,
  minWireVersion: 0,
  maxBsonObjectSize: 16 * 1024 * 1024,
  maxMessageSizeBytes: 48_000_000,
  maxWriteBatchSize: 100_000,
  ok: 1,
};

/**
 * Speaks as much of MongoDB's protocol as a driver needs to connect. `answer` gives the reply to every other command,
 * whose name it gets.
 */
export function startMongoDouble(answer: (command: string) => object): Promise<Listener> {
  return listenPlain((socket) => {
    let buffered = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      buffered = Buffer.concat([buffered, chunk]);
      while (buffered.length >= 4 && buffered.length >= buffered.readInt32LE(0)) {
        const message = buffered.subarray(0, buffered.readInt32LE(0));
        buffered = buffered.subarray(message.length);
        reply(socket, message, answer);
      }
    });
  });
}

function reply(socket: Socket, message: Buffer, answer: (command: string) => object): void {
  const isQuery = message.readInt32LE(12) === OP_QUERY;
  // After the header: of a query flags, the name of the collection and two numbers; else flags and the kind of section.
  const start = isQuery ? message.indexOf(0, 20) + 1 + 8 : 21;
  const [command = ''] = Object.keys(
    BSON.deserialize(message.subarray(start, start + message.readInt32LE(start))),
  );
  const document = BSON.serialize(/^(hello|ismaster)$/i.test(command) ? HELLO : answer(command));
  const prefix = isQuery ? Buffer.alloc(20) : Buffer.alloc(5);
  if (isQuery) prefix.writeInt32LE(1, 16);
  const header = Buffer.alloc(16);
  header.writeInt32LE(16 + prefix.length + document.length, 0);
  header.writeInt32LE(message.readInt32LE(4), 8);
  header.writeInt32LE(isQuery ? OP_REPLY : OP_MSG, 12);
  socket.write(Buffer.concat([header, prefix, document]));
}
