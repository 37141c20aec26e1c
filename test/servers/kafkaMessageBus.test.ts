import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pino, { type Logger } from 'pino';
import type { KafkaSettings } from '../../src/config/config.ts';
import { kafkaMessageBus } from '../../src/messageBus/kafkaMessageBus.ts';
import { BusUnavailable, type MessageBus } from '../../src/messageBus/messageBus.ts';
import { openKafka } from '../../src/messageBus/openKafka.ts';
import { messageBusContract } from '../contracts/messageBus.ts';
import { kafkaAt, readTopic } from './kafkaTopic.ts';
import { unusedPort } from '../listeners.ts';
import { type RealServer, startKafka } from './realServers.ts';
import { whereServersRun } from './whereServersRun.ts';

const silent = pino({ level: 'silent' });
const newPrefix = (): string => `test-${randomUUID().slice(0, 8)}.`;
const message = {
  topic: 'events',
  key: 'k',
  value: 'a',
  headers: { position: '1', 'event-id': 'i' },
} as const;

type Given = { sasl?: KafkaSettings['sasl']; log?: Logger };
function busAt(address: string, prefix: string, { sasl, log = silent }: Given = {}): MessageBus {
  const settings = { brokers: [address], ssl: false, sasl, topicPrefix: prefix };
  return kafkaMessageBus({ kafka: openKafka(settings, log), prefix });
}

/** Publishes to a broker that has just come back, as the service does: again and again until it takes it. */
async function publishOnceBack(bus: MessageBus, sent: Parameters<MessageBus['publish']>[0][number]) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await bus.publish([sent]);
    } catch (error) {
      if (tries === 20 || !(error instanceof BusUnavailable)) throw error;
    }
  }
}

whereServersRun(['kafka'], 'on Kafka', () => {
  let server: RealServer;
  beforeAll(async () => {
    server = await startKafka({ 'log.retention.bytes': '100000', 'log.cleanup.policy': 'compact' });
  }, 60_000);
  afterAll(() => server?.remove());

  messageBusContract('Kafka', async () => {
    const prefix = newPrefix();
    return {
      bus: busAt(server.address, prefix),
      async read(topic) {
        const received = await readTopic(server.address, prefix + topic);
        return received.map(({ key, value, headers }) => ({ topic, key, value, headers }));
      },
      remove: async () => undefined,
    };
  });

  test('makes its topics, and the events stay in theirs for ever, whatever the broker does with others', async () => {
    const prefix = newPrefix();
    const bus = busAt(server.address, prefix);
    await bus.publish([]);
    const admin = kafkaAt(server.address).admin();
    await admin.connect();
    expect(await admin.listTopics()).toEqual(
      expect.arrayContaining([`${prefix}events`, `${prefix}messages`]),
    );
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: 2, name: `${prefix}events` }],
    });
    const of = (name: string) =>
      resources[0]!.configEntries.find(({ configName }) => configName === name)?.configValue;
    expect(of('retention.ms')).toBe('-1');
    expect(of('retention.bytes')).toBe('-1');
    expect(of('cleanup.policy')).toBe('delete');
    await admin.disconnect();
    await bus.close();
  });

  test('a broker that does not answer shows as BusUnavailable too, and closing waits for nothing', async () => {
    const bus = busAt(server.address, newPrefix());
    await bus.publish([message]);
    process.kill(server.pid(), 'SIGSTOP');
    try {
      await expect(bus.publish([message])).rejects.toMatchObject({ kind: 'unreachable' });
      const other = busAt(server.address, newPrefix());
      const publishing = other.publish([message]);
      const refused = expect(publishing).rejects.toMatchObject({ kind: 'unreachable' });
      await sleep(500);
      const began = performance.now();
      await other.close();
      await refused;
      expect(performance.now() - began).toBeLessThan(8000);
    } finally {
      process.kill(server.pid(), 'SIGCONT');
    }
    await publishOnceBack(bus, message);
    await bus.close();
  }, 60_000);

  test('a broker that is away shows as BusUnavailable, and is used again once it is back', async () => {
    const prefix = newPrefix();
    const bus = busAt(server.address, prefix);
    await bus.publish([message]);
    await server.stop('SIGKILL');
    await expect(bus.publish([{ ...message, value: 'b' }])).rejects.toMatchObject({
      name: 'Error',
      kind: 'unreachable',
    });
    await expect(bus.publish([{ ...message, value: 'b' }])).rejects.toThrow(BusUnavailable);
    await server.start();
    await publishOnceBack(bus, { ...message, value: 'b' });
    const values = (await readTopic(server.address, `${prefix}events`)).map(({ value }) => value);
    expect([...new Set(values)]).toEqual(['a', 'b']);
    await bus.close();
  }, 90_000);
});

whereServersRun(['kafka'], 'on Kafka with users', () => {
  const users = { admin: 'password-of-admin', app: 'password-of-app' };
  let server: RealServer;
  beforeAll(async () => {
    const jaas = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`);
    server = await startKafka({
      'listener.security.protocol.map': 'PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
      'sasl.enabled.mechanisms': 'PLAIN',
      'sasl.mechanism.inter.broker.protocol': 'PLAIN',
      'listener.name.plaintext.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="${users.admin}" ${jaas.join(' ')};`,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:admin;User:ANONYMOUS',
    });
  }, 60_000);
  afterAll(() => server?.remove());

  const as = (username: string, password: string): Given => ({
    sasl: { mechanism: 'plain', username, password },
  });
  const published = (given: Given) => {
    const bus = busAt(server.address, 'users.', given);
    return bus.publish([message]).finally(() => bus.close());
  };

  test('says why it cannot be used, and never shows a password', async () => {
    let logged = '';
    const log = pino({ level: 'trace' }, { write: (line: string) => void (logged += line) });
    const refused = await published({ ...as('app', 'password-that-is-wrong'), log }).catch(String);
    expect(refused).toMatch(
      /^Error: KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD: the user was refused \(.*[Aa]uthentication/,
    );
    await expect(published(as('app', 'password-that-is-wrong'))).rejects.toMatchObject({
      kind: 'sasl-authentication-failed',
    });
    await expect(published({ ...as('app', users.app), log })).rejects.toMatchObject({
      message: expect.stringMatching(/no users.events and users.messages.*make them, or allow/),
      kind: 'topic-authorization-failed',
    });
    await published({ ...as('admin', users.admin), log });
    await expect(published({ ...as('app', users.app), log })).rejects.toMatchObject({
      kind: 'topic-authorization-failed',
    });
    expect(logged).toContain('kafkajs');
    for (const text of [refused, logged]) expect(text).not.toMatch(/password-/);
  }, 60_000);
});

test('a broker that is nowhere shows as BusUnavailable', async () => {
  const bus = busAt(`127.0.0.1:${await unusedPort()}`, newPrefix());
  await expect(bus.publish([])).rejects.toMatchObject({ kind: 'unreachable' });
  await bus.close();
}, 60_000);
