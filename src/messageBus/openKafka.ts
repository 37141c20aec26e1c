import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  type ICustomPartitioner,
  type ISocketFactory,
  Kafka as KafkaClient,
  type Message,
  logLevel,
  Partitioners,
  type SASLOptions,
  type TopicMessages,
} from 'kafkajs';
import type { Logger } from 'pino';
import type { KafkaSettings } from '../config/config.ts';
import { BusUnavailable } from './messageBus.ts';

/** How long (ms) a connection may take, and the brokers among themselves until all have a message. */
const CONNECT_TIMEOUT = 3000;
const REPLICATION_TIMEOUT = 8000;
/** How long (ms) nothing is said before the other side is asked whether it is still there. */
const KEEP_ALIVE_DELAY = 60_000;
/** How long (ms) anything that is asked for may take, with all tries. */
const CALL_TIMEOUT = 10_000;
/** Tries within that time: enough for a partition to get another leader. Beyond these it is the caller who tries again. */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1000, retries: 4 };

/** Apache Kafka, and what speaks its protocol. Nothing is connected until a connection is used. */
export type Kafka = { connection(): KafkaConnection };

/** What cannot be done now shows as BusUnavailable; then the connection must be ended, and another one be used. */
export type KafkaConnection = {
  /** Connects, and makes those of the topics that are missing, with the broker's defaults but for what is given. */
  open(topics: readonly NewTopic[]): Promise<void>;
  /** Resolves when all brokers in charge have all messages. One call at a time. */
  send(batch: TopicMessages[]): Promise<void>;
  /** Lets go at once: whatever is under way throws soon. */
  end(): void;
};
export type NewTopic = { topic: string; settings?: Record<string, string> };

/** What the driver logs goes to the log's debug level, as it also throws it. */
export function openKafka({ brokers, ssl, sasl }: KafkaSettings, log: Logger): Kafka {
  let connectionCount = 0;

  function connection(): KafkaConnection {
    const sockets = destroyableSockets();
    // Each time, another broker is asked first.
    const first = connectionCount++ % brokers.length;
    const client = new KafkaClient({
      clientId: 'authledger',
      brokers: [...brokers.slice(first), ...brokers.slice(0, first)],
      ssl,
      ...(sasl && { sasl: sasl as SASLOptions }),
      connectionTimeout: CONNECT_TIMEOUT,
      requestTimeout: CALL_TIMEOUT,
      retry: RETRY,
      socketFactory: sockets.socketFactory,
      logLevel: logLevel.WARN,
      // Only these two fields: others may show what was sent.
      logCreator: () => (entry) =>
        log.debug({ broker: entry.log['broker'] as unknown }, `kafkajs: ${entry.log.message}`),
    });
    const tracker = trackPartitions();
    const producer = client.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: tracker.createPartitioner,
      retry: RETRY,
    });
    const withTimeout = <T>(ask: () => Promise<T>): Promise<T> => {
      const tooLong = setTimeout(sockets.end, CALL_TIMEOUT);
      return translatingErrors(ask).finally(() => clearTimeout(tooLong));
    };
    return {
      open: (topics) =>
        withTimeout(async () => {
          await createTopics(client, topics);
          await producer.connect();
        }),
      send: (topicMessages) =>
        withTimeout(async () => {
          tracker.begin();
          tracker.check(await producer.sendBatch({ acks: -1, timeout: REPLICATION_TIMEOUT, topicMessages }));
        }),
      end: sockets.end,
    };
  }
  return { connection };
}

/** The driver goes on trying, and keeps the process alive, where only its sockets can be taken away from it. */
function destroyableSockets() {
  const sockets = new Set<Socket>();
  let isEnded = false;
  const socketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    if (isEnded) throw new Error('the connection was ended');
    const socket = ssl
      ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...ssl }, onConnect)
      : connect({ host, port }, onConnect);
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    return socket.setKeepAlive(true, KEEP_ALIVE_DELAY);
  };
  return {
    socketFactory,
    end(): void {
      isEnded = true;
      for (const socket of sockets) socket.destroy(new Error('no answer in time, or no longer wanted'));
    },
  };
}

async function createTopics(client: KafkaClient, topics: readonly NewTopic[]): Promise<void> {
  const admin = client.admin();
  await admin.connect();
  const known = new Set(await admin.listTopics());
  const missing = topics.filter(({ topic }) => !known.has(topic));
  if (missing.length > 0) {
    const making = { topics: missing.map(topicConfig), waitForLeaders: false };
    await admin.createTopics(making).catch((error: unknown) => {
      throw topicsNotCreated(missing, error);
    });
  }
  await admin.disconnect();
}

function topicConfig({ topic, settings = {} }: NewTopic) {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  return { topic, configEntries };
}

/**
 * Makes sure that what the driver calls sent was sent. It tries again what one broker refused, but groups the messages anew for
 * it: where a partition has meanwhile moved to a broker that has answered already, or a key to another partition, messages
 * would be left out without an error.
 */
function trackPartitions() {
  const defaultPartitioner = Partitioners.DefaultPartitioner();
  let chosen = new Map<Message, string>();
  const nameOf = (topic: string, partition: number): string => `${topic}/${partition}`;
  const createPartitioner: ICustomPartitioner = () => (args) => {
    const partition = defaultPartitioner(args);
    const name = nameOf(args.topic, partition);
    const before = chosen.get(args.message);
    if (before !== undefined && before !== name) throw partitionMoved();
    chosen.set(args.message, name);
    return partition;
  };
  return {
    createPartitioner,
    begin: () => void (chosen = new Map()),
    check(answers: { topicName: string; partition: number }[]): void {
      const answered = new Set(answers.map(({ topicName, partition }) => nameOf(topicName, partition)));
      for (const name of chosen.values()) if (!answered.has(name)) throw partitionMoved();
    },
  };
}

function partitionMoved(): BusUnavailable {
  return new BusUnavailable("a topic's partitions changed while messages were sent", { kind: 'moved' });
}

/** Asks a broker. Throws BusUnavailable for what the brokers or the way to them do not let happen; else what was thrown. */
async function translatingErrors<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const kind = error instanceof BusUnavailable ? undefined : errorKind(error);
    if (kind === undefined) throw error;
    throw new BusUnavailable(`Kafka cannot be used right now: ${(error as Error).message}`, { kind });
  }
}

/** The error that is at the bottom of one of the driver's, in a word or two; undefined where it is none of Kafka's. */
function errorKind(error: unknown): string | undefined {
  const { name, type, cause, errors } = error as Error & { type?: unknown; errors?: unknown[] };
  if (typeof type === 'string') return type.toLowerCase().replaceAll('_', '-');
  const below = errors?.[0] ?? cause;
  const inside = below === undefined ? undefined : errorKind(below);
  if (inside !== undefined) return inside;
  if (/^KafkaJSSASL/.test(name)) return 'sasl-authentication-failed';
  if (/^KafkaJS(Connection|RequestTimeout|BrokerNotFound|Timeout|LockTimeout)/.test(name))
    return 'unreachable';
  return /^KafkaJS/.test(name) ? 'failed' : undefined;
}

function topicsNotCreated(topics: readonly NewTopic[], error: unknown): Error {
  const kind = errorKind(error);
  if (kind === undefined || kind === 'unreachable') return error as Error;
  const names = topics.map(({ topic }) => topic).join(' and ');
  return new BusUnavailable(
    `Kafka has no ${names}, and they could not be made (${kind}): make them, or allow this user to`,
    { kind },
  );
}
