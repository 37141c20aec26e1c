import { connect, type Socket } from 'node:net';

export type Call = { method: string; path: string; headers?: Record<string, string>; body?: string };

/** What a round of load came to. `seconds` is wall time, `latencies` are in milliseconds. */
export type Round = { calls: number; seconds: number; latencies: number[]; failed: number };

export type LoadOptions = {
  connections: number;
  ms: number;
  /** Whether a refused call ends the round (the default), or is counted. */
  countFailures?: boolean;
};

/**
 * Sends calls over so many connections that are kept alive, one at a time on each, for so many milliseconds, and reads
 * every reply. On bare sockets, so that the load takes little of the machine that it shares with what it measures.
 */
export async function load(port: number, next: () => Call, options: LoadOptions): Promise<Round> {
  const round: Round = { calls: 0, seconds: 0, latencies: [], failed: 0 };
  const began = performance.now();
  const until = began + options.ms;
  await Promise.all(
    Array.from({ length: options.connections }, async () => {
      const connection = await open(port);
      try {
        while (performance.now() < until) {
          const at = performance.now();
          const { status, body } = await connection.send(next());
          round.latencies.push(performance.now() - at);
          if (status < 300) round.calls += 1;
          else if (options.countFailures) round.failed += 1;
          else throw new Error(`the server answered ${status}: ${body().slice(0, 500)}`);
        }
      } finally {
        connection.close();
      }
    }),
  );
  round.seconds = (performance.now() - began) / 1000;
  return round;
}

/** One call, its reply parsed; throws what the server refuses. */
export async function once<T>(port: number, call: Call): Promise<T> {
  const connection = await open(port);
  try {
    const { status, body } = await connection.send(call);
    if (status >= 300) throw new Error(`${call.method} ${call.path}: ${status} ${body()}`);
    return JSON.parse(body()) as T;
  } finally {
    connection.close();
  }
}

type Reply = { status: number; body(): string };
export type Connection = { send(call: Call): Promise<Reply>; close(): void };

export async function open(port: number): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  const waiting = readReplies(socket);
  return {
    send(call) {
      return new Promise((resolve, reject) => {
        waiting.resolve = resolve;
        waiting.reject = reject;
        socket.write(asText(call, port));
      });
    },
    close: () => socket.destroy(),
  };
}

function asText({ method, path, headers = {}, body = '' }: Call, port: number): string {
  let text = `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n`;
  for (const name in headers) text += `${name}: ${headers[name]!}\r\n`;
  if (body) text += `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
  return `${text}\r\n${body}`;
}

type Waiting = { resolve(reply: Reply): void; reject(error: Error): void };

/** Tells each reply to who waits for it. Of a body whose length is not announced, the end of its last chunk is looked for. */
function readReplies(socket: Socket): Waiting {
  const waiting: Waiting = { resolve: () => undefined, reject: () => undefined };
  let parts: Buffer[] = [];
  let head = '';
  let missing = 0;
  let isChunked = false;
  const finish = (): void => {
    const [taken, status] = [parts, Number(head.slice(9, 12))];
    const chunked = isChunked;
    parts = [];
    head = '';
    waiting.resolve({ status, body: () => bodyOf(taken, chunked) });
  };
  socket.on('data', (part: Buffer) => {
    if (head === '') {
      const end = part.indexOf('\r\n\r\n');
      if (end < 0) throw new Error('the head of a reply came in more than one piece');
      head = part.toString('latin1', 0, end);
      const length = /content-length: (\d+)/i.exec(head);
      isChunked = !length && !head.includes(' 204 ');
      missing = Number(length?.[1] ?? 0) + end + 4;
    }
    parts.push(part);
    missing -= part.length;
    const isLast = isChunked ? part.subarray(-5).equals(LAST_CHUNK) : missing <= 0;
    if (isLast) finish();
  });
  const gone = (): void => waiting.reject(new Error('the server closed the connection'));
  socket.on('close', gone).on('error', gone);
  return waiting;
}

const LAST_CHUNK = Buffer.from('0\r\n\r\n');

function bodyOf(parts: Buffer[], isChunked: boolean): string {
  const text = Buffer.concat(parts).toString();
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  return isChunked ? body.replaceAll(/(?:^|\r\n)[0-9a-f]+\r\n(?:\r\n$)?/g, '') : body;
}
