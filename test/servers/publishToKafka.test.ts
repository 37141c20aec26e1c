import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Recorded } from '../../src/event.ts';
import type { Message, Topic } from '../../src/messageBus/messageBus.ts';
import { messagesOf } from '../../src/messageBus/messagesOf.ts';
import { type AsyncapiDocument, describedBy } from '../asyncapiDocument.ts';
import { byKey, firsts } from '../contracts/messageBus.ts';
import { logIn } from '../inStores.ts';
import { readTopic } from './kafkaTopic.ts';
import { publisherAt, untilPublished } from './publisherAt.ts';
import { unusedPort } from '../listeners.ts';
import { type RealServer, startKafka } from './realServers.ts';
import { end, runCommand, startServer } from '../runCommand.ts';
import { signedFetch } from '../signed.ts';
import { minutesFromNow, ROOT, startService, STATIC_CLIENTS } from '../startService.ts';
import { whereServersRun } from './whereServersRun.ts';

const directories: string[] = [];
afterAll(() => directories.forEach((each) => rmSync(each, { recursive: true, force: true })));
function newDirectory(): string {
  directories.push(mkdtempSync(join(tmpdir(), 'authledger-kafka-')));
  return directories.at(-1)!;
}

/** Changes of clients and roles, one after another, until it is told to stop or the service is gone; answers how many. */
async function change(rootUrl: string, name: string, isOver: () => boolean): Promise<number> {
  const url = (path: string): string => `${rootUrl}/api/auth/v1/${path}`;
  const expires = minutesFromNow(600);
  const client = url(`clients/${encodeURIComponent(`${name}/client`)}`);
  const requests: [string, string, object?][] = [
    [client, 'PUT', { description: '', expires, scopes: ['a'] }],
    [`${client}/reset`, 'POST'],
    [`${client}/disable`, 'POST'],
    [`${client}/enable`, 'POST'],
    [client, 'DELETE'],
    [url(`roles/${name}`), 'PUT', { description: 'é', scopes: ['b'] }],
    [url(`roles/${name}`), 'POST', { description: 'ü', scopes: ['b', 'c'] }],
    [url(`roles/${name}`), 'DELETE'],
  ];
  for (let count = 0; ; count += 1) {
    if (isOver()) return count;
    const [to, method, body] = requests[count % requests.length]!;
    const { status } = await signedFetch(to, ROOT, { method, ...(body && { body }) }).catch(() => ({
      status: 0,
    }));
    if (status === 0) return count;
    expect(status).toBeLessThan(300);
  }
}

function stopAfter(count: number): () => boolean {
  let asked = 0;
  return () => asked++ >= count;
}

whereServersRun(['kafka'], 'the service with Kafka', () => {
  let server: RealServer;
  beforeAll(async () => {
    server = await startKafka();
  }, 60_000);
  afterAll(() => server?.remove());

  const received = async (prefix: string): Promise<Message[]> => {
    const of = async (topic: Topic) =>
      (await readTopic(server.address, prefix + topic)).map(({ key, value, headers }) => ({
        topic,
        key,
        value,
        headers,
      }));
    return [...(await of('events')), ...(await of('messages'))];
  };
  /** What is in the topics, from the beginning and without repeats, is the log, in order per key. */
  async function expectLogIn(prefix: string, dataDir: string): Promise<{ all: Message[]; log: Recorded[] }> {
    const [all, log] = [await received(prefix), await logIn({ DATA_DIR: dataDir })];
    const expected = log.flatMap((event) => messagesOf(event as Recorded<never>));
    for (const topic of ['events', 'messages']) {
      const of = (messages: Message[]) => byKey(messages.filter((each) => each.topic === topic));
      expect(of(firsts(all))).toEqual(of(expected));
    }
    return { all, log };
  }

  test('changes go on while the broker is away, and are all published once it is back', async () => {
    const prefix = 'away.';
    const service = await startService({ KAFKA_BROKERS: server.address, KAFKA_TOPIC_PREFIX: prefix });
    let isOver = false;
    const changing = Promise.all(
      ['one', 'two', 'three'].map((name) => change(service.rootUrl, name, () => isOver)),
    );
    await sleep(1500);
    await server.stop('SIGKILL');
    await sleep(5000);
    const state = await publisherAt(service.rootUrl);
    expect(state).toMatchObject({ failure: { kind: 'unreachable' } });
    expect(state.lagSeconds).toBeGreaterThan(1);
    expect(state.position < state.head).toBe(true);
    await server.start();
    await sleep(1000);
    isOver = true;
    const counts = await changing;
    expect(Math.min(...counts)).toBeGreaterThan(10);
    await untilPublished(service.rootUrl);
    expect(await publisherAt(service.rootUrl)).toMatchObject({ lagSeconds: 0 });
    expect((await publisherAt(service.rootUrl)).failure).toBeUndefined();

    const { all, log } = await expectLogIn(prefix, service.dataDir);
    expect(log.length).toBeGreaterThanOrEqual(counts.reduce((sum, count) => sum + count));
    const document = (await (await fetch(`${service.rootUrl}/asyncapi.json`)).json()) as AsyncapiDocument;
    expect(document.channels['events']!.address).toBe('away.events');
    describedBy(document)(all);
    const warnings = service
      .logged()
      .split('\n')
      .filter((line) => /"level":(40|50)/.test(line));
    expect(warnings.length).toBeLessThan(4);
    await service.remove();
  }, 120_000);

  test('a process ends soon after it was told to, while the broker hangs', async () => {
    const dataDir = newDirectory();
    const env = { DATA_DIR: dataDir, STATIC_CLIENTS, KAFKA_TOPIC_PREFIX: 'hanging.' };
    const { child, rootUrl } = await startServer({ ...env, KAFKA_BROKERS: server.address });
    await change(rootUrl, 'before', stopAfter(8));
    await untilPublished(rootUrl);
    process.kill(server.pid(), 'SIGSTOP');
    try {
      await change(rootUrl, 'after', stopAfter(8));
      const ended = Promise.race([end(child).then(() => 'ended'), sleep(12_000, 'still there')]);
      expect(await ended).toBe('ended');
    } finally {
      process.kill(server.pid(), 'SIGCONT');
    }
    const again = await startServer({ ...env, KAFKA_BROKERS: server.address });
    await untilPublished(again.rootUrl);
    await end(again.child);
    await expectLogIn('hanging.', dataDir);
  }, 90_000);

  test('another process takes over from one that is frozen, which repeats nothing when it goes on', async () => {
    const dataDir = newDirectory();
    const env = { DATA_DIR: dataDir, STATIC_CLIENTS, KAFKA_TOPIC_PREFIX: 'frozen.' };
    const frozen = await startServer({ ...env, KAFKA_BROKERS: server.address });
    await change(frozen.rootUrl, 'before', stopAfter(8));
    await untilPublished(frozen.rootUrl);
    const other = await startServer({ ...env, KAFKA_BROKERS: server.address });
    frozen.child.kill('SIGSTOP');
    await change(other.rootUrl, 'meanwhile', stopAfter(24));
    await untilPublished(other.rootUrl);
    // Lines of the log come a little later.
    for (let tries = 0; tries < 50 && !other.output().includes('this node publishes'); tries += 1)
      await sleep(100);
    expect(other.output()).toContain('this node publishes');
    frozen.child.kill('SIGCONT');
    await Promise.all([frozen, other].map(({ rootUrl }, n) => change(rootUrl, `after${n}`, stopAfter(40))));
    await untilPublished(frozen.rootUrl);
    await Promise.all([end(frozen.child), end(other.child)]);
    const { all, log } = await expectLogIn('frozen.', dataDir);
    expect(all).toHaveLength(2 * log.length);
  }, 60_000);

  test('a start does not wait for a broker, and a stop does neither', async () => {
    const service = await startService({ KAFKA_BROKERS: `127.0.0.1:${await unusedPort()}` });
    await service.current().createRole!('a', { description: '', scopes: [] });
    const { position, head } = await publisherAt(service.rootUrl);
    expect(position < head).toBe(true);
    await service.remove();
  });

  test('nothing is lost, and only the tail repeats, when the process that publishes is killed', async () => {
    const prefix = 'killed.';
    const dataDir = newDirectory();
    const env = { DATA_DIR: dataDir, STATIC_CLIENTS, LOG_LEVEL: 'info', KAFKA_TOPIC_PREFIX: prefix };
    let changes = 0;
    for (let kill = 0; kill < 3; kill += 1) {
      const { child, rootUrl } = await startServer({ ...env, KAFKA_BROKERS: server.address });
      const published = (await publisherAt(rootUrl)).position;
      const changing = Promise.all([0, 1, 2].map((n) => change(rootUrl, `k${kill}.${n}`, () => false)));
      // Its own lease, and that of the one that was killed, which runs out first.
      while ((await publisherAt(rootUrl)).position === published) await sleep(50);
      await sleep(200 * Math.random());
      await end(child, 'SIGKILL');
      changes += (await changing).reduce((sum, count) => sum + count);
    }
    const { child, rootUrl } = await startServer({ ...env, KAFKA_BROKERS: server.address });
    await untilPublished(rootUrl);
    await end(child);
    const { all, log } = await expectLogIn(prefix, dataDir);
    expect(log.length).toBeGreaterThanOrEqual(changes);
    // At most what was under way each time: 500 events, of two messages each.
    expect(all.length - 2 * log.length).toBeLessThanOrEqual(3 * 1000);

    const at = log.at(-11)!.position;
    const again = await runCommand(['publish', '--from', at], { ...env, KAFKA_BROKERS: server.address });
    expect({ ...again, stderr: '' }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('10 events were published again'),
    });
    const { all: more } = await expectLogIn(prefix, dataDir);
    expect(more.length - all.length).toBe(20);
    const foreign = await runCommand(['publish', '--from', 'x.1'], { ...env, KAFKA_BROKERS: server.address });
    expect(foreign).toMatchObject({ code: 1, stderr: expect.stringMatching(/x\.1 is no position/) });
    const nowhere = await runCommand(['publish', '--from', 'start'], { DATA_DIR: dataDir, STATIC_CLIENTS });
    expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringMatching(/KAFKA_BROKERS is not set/) });
  }, 120_000);
});
