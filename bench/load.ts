import { Agent, type IncomingMessage, request } from 'node:http';

export type Call = { method: string; path: string; headers: Record<string, string | number>; body?: string };

/** What a round of load came to. `seconds` is wall time, `latencies` are in milliseconds. */
export type Round = { calls: number; seconds: number; latencies: number[] };

/** Sends calls over so many connections that are kept alive, for so many milliseconds, and reads every reply. */
export async function load(
  port: number,
  next: () => Call,
  { connections, ms }: { connections: number; ms: number },
): Promise<Round> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const latencies: number[] = [];
  const began = performance.now();
  const worker = async (): Promise<void> => {
    while (performance.now() - began < ms) {
      const at = performance.now();
      const status = await send(port, next(), agent);
      if (status >= 300) throw new Error(`the server answered ${status}`);
      latencies.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  agent.destroy();
  return { calls: latencies.length, seconds: (performance.now() - began) / 1000, latencies };
}

function send(port: number, { method, path, headers, body }: Call, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, method, path, headers, agent },
      (response: IncomingMessage) => {
        response
          .resume()
          .once('end', () => resolve(response.statusCode!))
          .once('error', reject);
      },
    );
    sent.once('error', reject).end(body);
  });
}

/** The middle of some numbers. */
export function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
