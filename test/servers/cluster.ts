import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { Stores } from '../../src/compose.ts';
import type { Recorded } from '../../src/event.ts';
import type { Message } from '../../src/messageBus/messageBus.ts';
import { messagesOf } from '../../src/messageBus/messagesOf.ts';
import { allProjections } from '../../src/readSide/projector.ts';
import { tableOf } from '../../src/projection.ts';
import { rebuild } from '../../src/readSide/rebuild.ts';
import { byKey, firsts } from '../contracts/messageBus.ts';
import { readTopic } from './kafkaTopic.ts';
import { inStores, logIn } from '../inStores.ts';
import { unusedPort } from '../listeners.ts';
import { end, startServer } from '../runCommand.ts';
import { startSharedServers } from './sharedServers.ts';
import { rowsOf } from '../allRows.ts';

/** What a node has to answer again by itself within (ms). */
const SOON = 30_000;
/** What a node has to write to the tables by itself within (ms), also to a server that takes its time. */
const WRITTEN = 60_000;

/** A node of a cluster, at the same address whenever it runs. */
export type Node = { rootUrl: string; child: ChildProcess; output(): string };
export type Cluster = Awaited<ReturnType<typeof startCluster>>;

/** Some nodes, each a process, over a real Kafka, a server that speaks MongoDB's protocol, and KurrentDB's double. */
export async function startCluster(count: number) {
  const servers = await startSharedServers();
  const { readStore, kafka, kurrent, proxy } = servers;
  const env = { ...servers.env, KAFKA_BROKERS: kafka.address, READ_ACCESS: 'guarded' };
  const ports = await Promise.all(Array.from({ length: count }, unusedPort));
  const startNode = (port: number): Promise<Node> => startServer({ ...env, PORT: String(port) });
  const nodes = await Promise.all(ports.map(startNode));

  return {
    nodes,
    readStore,
    kafka,
    kurrent,
    proxy,
    /** Ends a node at once, and starts it again. */
    async crash(i: number): Promise<void> {
      await end(nodes[i]!.child, 'SIGKILL');
      nodes[i] = await startNode(ports[i]!);
    },
    /** Every event in the log, in its order. */
    log: (): Promise<Recorded[]> => logIn(env),
    /** Resolves once every node says that it is well; fails unless that is soon. */
    async allAnswer(): Promise<void> {
      const until = Date.now() + SOON;
      for (const { rootUrl } of nodes) while (!(await isWell(rootUrl, until))) await sleep(50);
    },
    /** The tables are what a replay of the log into empty ones makes. */
    async tablesEqualRebuild(): Promise<void> {
      await inStores(env, expectTablesOfTheLog).catch((error: Error) => {
        error.message += `\nThe nodes said last:\n${nodes.map(({ output }) => lastWarnings(output())).join('\n')}`;
        throw error;
      });
    },
    /** The topics, read from the beginning and without repeats, are the log, in order per key. */
    async topicsEqual(log: readonly Recorded[]): Promise<void> {
      const expected = log.flatMap((event) => messagesOf(event as Recorded<never>));
      for (const topic of ['events', 'messages'] as const) {
        const of = expected.filter((message) => message.topic === topic);
        const published = await allOf(kafka.address, topic, of.length);
        expect(byKey(published)).toEqual(byKey(of));
      }
    },
    async remove(): Promise<void> {
      await Promise.all(nodes.map(({ child }) => end(child, 'SIGKILL')));
      await servers.remove();
    },
  };
}

/** The last lines of a node's output that are more than information. */
function lastWarnings(output: string): string {
  const lines = output.split('\n').filter((line) => /"level":"(warn|error|fatal)"/.test(line));
  return lines.slice(-5).join('\n');
}

async function isWell(rootUrl: string, until: number): Promise<boolean> {
  const signal = AbortSignal.timeout(2000);
  const status = await fetch(`${rootUrl}/api/auth/v1/__heartbeat__`, { signal }).then(
    (reply) => reply.status,
    () => 0,
  );
  if (status !== 200 && Date.now() > until) throw new Error(`${rootUrl} is not well: ${status}`);
  return status === 200;
}

async function expectTablesOfTheLog(stores: Stores): Promise<void> {
  const { eventStore, readStore } = stores;
  const head = await eventStore.head();
  const tables = allProjections.map(tableOf);
  const rows = () => rowsOf(readStore, allProjections);
  for (const until = Date.now() + WRITTEN; ; await sleep(100)) {
    const checkpoints = await Promise.all(tables.map((table) => readStore.checkpoint(table)));
    if (checkpoints.every((checkpoint) => checkpoint !== undefined && checkpoint >= head)) break;
    if (Date.now() > until) expect(checkpoints).toEqual(tables.map(() => head));
  }
  const written = await rows();
  await rebuild(allProjections, stores);
  expect(written).toEqual(await rows());
}

/** The first of each id in a topic, once there are as many as expected; as many as there are after a while. */
async function allOf(broker: string, topic: Message['topic'], count: number): Promise<Message[]> {
  for (const until = Date.now() + 3 * SOON; ; await sleep(500)) {
    const messages = await readTopic(broker, `authledger.${topic}`);
    const once = firsts(messages.map(({ key, value, headers }) => ({ topic, key, value, headers })));
    if (once.length >= count || Date.now() > until) return once;
  }
}
