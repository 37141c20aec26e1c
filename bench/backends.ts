import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Table from 'cli-table3';
import { kafkaAt } from '../test/servers/kafkaTopic.ts';
import { type RealServer, startFerretdb, startKafka } from '../test/servers/realServers.ts';
import { signedCall, type Signer } from './calls.ts';
import { type Call, load, open, type Round } from './load.ts';
import { median, quantile } from './report.ts';
import { endAll, main, type Running, start, startDouble } from './servers.ts';

/** `kafka` is the embedded default with a publisher; `shared` is KurrentDB (its double), FerretDB for MongoDB, and Kafka. */
export const BACKENDS = ['kafka', 'shared'] as const;
export type Backend = (typeof BACKENDS)[number];

const ROUNDS = 5;
const ROUND_MS = 2000;
const WRITERS = 64;
/** Changes whose way to others is measured. */
const CHANGES = 200;
const root: Signer = { clientId: 'static/root', accessToken: 'root-token-of-the-bench-0123456789' };
const expires = '2099-01-01T00:00:00.000Z';

/** Two nodes over the same stores. */
type Pair = { first: Running; second: Running };
let made = 0;

/**
 * Prints how fast changes are made and reach others over other stores than the embedded ones, beside these in the same run,
 * with the ratio of each figure to theirs.
 */
export async function measureBackend(backend: Backend): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'authledger-bench-'));
  const kafka = await startKafka();
  const readStore = backend === 'shared' ? await startFerretdb() : undefined;
  const double = readStore && (await startDouble());
  try {
    const embedded = await startPair(settings(join(directory, 'embedded')));
    const other = await startPair({
      ...settings(join(directory, 'other')),
      KAFKA_BROKERS: kafka.address,
      ...(double && sharedSettings(double.url, readStore!)),
    });
    console.log(await measured({ embedded, other }, kafka));
  } finally {
    endAll();
    await Promise.all([kafka.remove(), readStore?.remove()]);
    rmSync(directory, { recursive: true, force: true });
  }
}

function settings(dataDir: string): Record<string, string> {
  const clients = JSON.stringify([{ ...root, description: '', scopes: ['*'] }]);
  return { DATA_DIR: dataDir, PORT: '0', STATIC_CLIENTS: clients };
}

function sharedSettings(eventStoreUrl: string, readStore: RealServer): Record<string, string> {
  return {
    EVENT_STORE_URL: eventStoreUrl,
    READ_STORE_URL: `mongodb://${readStore.address}/authledger`,
    SECRET_KEYS: JSON.stringify([{ id: 'one', key: randomBytes(32).toString('base64') }]),
  };
}

async function startPair(env: Record<string, string>): Promise<Pair> {
  const first = await start([main, 'serve'], env);
  return { first, second: await start([main, 'serve'], env) };
}

type Pairs = { embedded: Pair; other: Pair };

async function measured({ embedded, other }: Pairs, kafka: RealServer): Promise<string> {
  const table = new Table({
    head: ['what', 'embedded', 'here', 'ratio'],
    style: { head: [], border: [] },
  });
  const rate = await inTurn({ embedded, other }, ({ first }) => rounds(first, WRITERS));
  const perSecond = (all: Round[]): number => median(all.map(({ calls, seconds }) => calls / seconds));
  row('createClient a second, 64 writers', perSecond(rate.embedded), perSecond(rate.other));
  const single = await inTurn({ embedded, other }, ({ first }) => rounds(first, 1));
  const middle = (all: Round[]): number => median(all.flatMap(({ latencies }) => latencies));
  row('createClient, ms, one writer', middle(single.embedded), middle(single.other));
  const toNode = { embedded: await lagsToSecondNode(embedded), other: await lagsToSecondNode(other) };
  row('acknowledged until known at a second node, ms', median(toNode.embedded), median(toNode.other));
  const [slow, slower] = [quantile(toNode.embedded, 0.99), quantile(toNode.other, 0.99)];
  row('the same, 99th percentile, ms', slow, slower);
  const toConsumer = await lagsToConsumer(other, kafka);
  row('acknowledged until a Kafka consumer has it, ms', undefined, median(toConsumer));
  row('the same, 99th percentile, ms', undefined, quantile(toConsumer, 0.99));
  return table.toString();

  function row(what: string, of: number | undefined, here: number): void {
    const ratio = of === undefined ? '' : (here / of).toFixed(2);
    table.push([what, of === undefined ? 'none' : shown(of), shown(here), ratio]);
  }
}

function shown(figure: number): string {
  return figure >= 100 ? figure.toFixed(0) : figure.toFixed(2);
}

async function inTurn<T>(
  { embedded, other }: Pairs,
  measure: (pair: Pair) => Promise<T>,
): Promise<Record<keyof Pairs, T[]>> {
  const all: Record<keyof Pairs, T[]> = { embedded: [], other: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    all.embedded.push(await measure(embedded));
    all.other.push(await measure(other));
  }
  return all;
}

function rounds({ port }: Running, connections: number): Promise<Round> {
  return load(port, () => create(port, (made += 1)), { connections, ms: ROUND_MS });
}

function create(port: number, n: number): Call {
  const body = { description: 'made by the bench', expires, scopes: ['project:bench:*'] };
  return signedCall(root, port, { method: 'PUT', route: `/clients/bench%2F${n}`, body });
}

/** From the reply to a change until another node knows of it, in ms, for one change after another. */
async function lagsToSecondNode({ first, second }: Pair): Promise<number[]> {
  const [one, two] = [await open(first.port), await open(second.port)];
  const lags: number[] = [];
  for (let i = 0; i < CHANGES; i += 1) {
    const n = (made += 1);
    await one.send(create(first.port, n));
    const at = performance.now();
    const look = (): Call => signedCall(root, second.port, { method: 'GET', route: `/clients/bench%2F${n}` });
    while ((await two.send(look())).status !== 200) continue;
    lags.push(performance.now() - at);
  }
  one.close();
  two.close();
  return lags;
}

/** From the reply to a change until a consumer of the topic has its event, in ms; 0 where it came before the reply. */
async function lagsToConsumer({ first }: Pair, kafka: RealServer): Promise<number[]> {
  const arrived = new Map<string, number>();
  const consumer = kafkaAt(kafka.address).consumer({ groupId: 'bench' });
  await consumer.connect();
  await consumer.subscribe({ topic: 'authledger.events', fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message: { key } }) => void arrived.set(String(key), performance.now()),
  });
  const arrival = async (n: number): Promise<number> => {
    const key = `client/bench/${n}`;
    while (!arrived.has(key)) await new Promise((resolve) => setTimeout(resolve, 1));
    return arrived.get(key)!;
  };
  const connection = await open(first.port);
  const lags: number[] = [];
  for (let i = 0; i <= CHANGES; i += 1) {
    const n = (made += 1);
    await connection.send(create(first.port, n));
    const at = performance.now();
    const lag = Math.max(0, (await arrival(n)) - at);
    // The first waits until the consumer has read everything before it.
    if (i > 0) lags.push(lag);
  }
  connection.close();
  await consumer.disconnect();
  return lags;
}
