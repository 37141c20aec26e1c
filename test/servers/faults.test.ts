import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clientStream } from '../../src/eventStore/streams.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { whereServersRun } from './whereServersRun.ts';
import { checkAll, type Known, write } from '../writers.ts';

const NODES = 3;
const WRITERS = 6;
const KILLS = 20;
/** What hangs is ended after this time (ms). */
const LONGEST = 400_000;

/** What a system of several nodes survives, while changes come in through all of them. */
whereServersRun(['ferretdb', 'kafka'], 'several nodes', () => {
  let cluster: Cluster;
  const known = new Map<string, Known>();
  beforeAll(async () => {
    cluster = await startCluster(NODES);
  }, 120_000);
  afterAll(() => cluster?.remove(), 60_000);

  /** Has writers write through all nodes in turn while something happens. */
  async function underLoad(name: string, happen: () => Promise<void>): Promise<void> {
    let isOver = false;
    let turn = 0;
    const target = {
      rootUrl: () => cluster.nodes[(turn += 1) % NODES]!.rootUrl,
      isOver: () => isOver,
    };
    const writers = Array.from({ length: WRITERS }, (_, i) => write(target, known, `${name}/w${i}`));
    try {
      await sleep(500);
      await happen();
      await cluster.allAnswer();
      await sleep(500);
    } finally {
      isOver = true;
      await Promise.all(writers);
    }
  }

  async function nothingIsLostOrDoubled(): Promise<void> {
    await cluster.allAnswer();
    const clients = [...known.values()];
    for (const [i, { rootUrl }] of cluster.nodes.entries())
      await checkAll(rootUrl, clients.filter((_, n) => n % NODES === i).slice(-400));
    const log = await cluster.log();
    const changes = log.map(({ stream, type, metadata }) => `${metadata.requestId} ${stream} ${type}`);
    expect(new Set(changes).size).toBe(changes.length);
    const created = new Set(log.filter(({ type }) => type === 'ClientCreated').map(({ stream }) => stream));
    const lost = clients.filter(({ clientId, certain }) => certain && !created.has(clientStream(clientId)));
    expect(lost).toEqual([]);
    await cluster.topicsEqual(log);
    await cluster.tablesEqualRebuild();
    for (const { output } of cluster.nodes) expect(output()).not.toMatch(/internal error/);
  }

  test(
    `killed ${KILLS} times`,
    async () => {
      await underLoad('killed', async () => {
        for (let kill = 0; kill < KILLS; kill += 1) {
          await sleep(100 + Math.random() * 400);
          await cluster.crash(kill % NODES);
        }
      });
      await nothingIsLostOrDoubled();
    },
    LONGEST,
  );

  test(
    'without Kafka for 30 s',
    async () => {
      await underLoad('no-kafka', async () => {
        await cluster.kafka.stop('SIGKILL');
        await sleep(30_000);
        await cluster.kafka.start();
      });
      await nothingIsLostOrDoubled();
    },
    LONGEST,
  );

  test(
    'without the read store for 15 s',
    async () => {
      await underLoad('no-read-store', async () => {
        await cluster.readStore.stop('SIGKILL');
        await sleep(15_000);
        await cluster.readStore.start();
      });
      await nothingIsLostOrDoubled();
    },
    LONGEST,
  );

  test(
    'with a read store that answers nothing for 15 s',
    async () => {
      await underLoad('silent-read-store', async () => {
        process.kill(cluster.readStore.pid(), 'SIGSTOP');
        await sleep(15_000);
        // FerretDB now and then never answers again after it was frozen while it was asked.
        await cluster.readStore.stop('SIGKILL');
        await cluster.readStore.start();
      });
      await nothingIsLostOrDoubled();
    },
    LONGEST,
  );

  test(
    'frozen in turn for longer than leases last, and resumed',
    async () => {
      for (const i of cluster.nodes.keys())
        await underLoad(`frozen-${i}`, async () => {
          const { child } = cluster.nodes[i]!;
          child.kill('SIGSTOP');
          await sleep(12_000);
          child.kill('SIGCONT');
        });
      await nothingIsLostOrDoubled();
    },
    LONGEST,
  );

  test(
    'cut off from the log again and again, before a reply to an append and while they follow it',
    async () => {
      await underLoad('cut', async () => {
        for (let cut = 0; cut < 20; cut += 1) {
          await sleep(300);
          if (cut % 2 === 0) cluster.proxy.cut();
          else
            cluster.kurrent.faults.beforeReply = () => {
              cluster.kurrent.faults.beforeReply = undefined;
              cluster.proxy.cut();
            };
        }
        cluster.proxy.shut();
        await sleep(5000);
        cluster.proxy.open();
      });
      await nothingIsLostOrDoubled();
    },
    LONGEST,
  );
});
