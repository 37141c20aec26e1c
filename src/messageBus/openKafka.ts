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
import { diagnoseConnection, type Finding } from '../storage/diagnoseConnection.ts';
import { explainOutages, type OutageCause } from '../storage/explainOutages.ts';
import { BusUnavailable } from './messageBus.ts';

/** How long (ms) connecting may take, and replicating a message to all in-sync brokers. */
const CONNECT_TIMEOUT = 3000;
const REPLICATION_TIMEOUT = 8000;
/** How long (ms) a connection is idle before TCP keep-alive probes are sent. */
const KEEP_ALIVE_DELAY = 60_000;
/** How long (ms) a call may take with all its retries. */
const CALL_TIMEOUT = 10_000;
/**
 * The driver's retries within that time: enough for a partition to get a new leader. After that, the caller retries.
 */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1000, retries: 4 };

/** Apache Kafka, or a server that speaks its protocol. Nothing connects until a connection is used. */
export type Kafka = { connection(): KafkaConnection };

/** Throws BusUnavailable for what cannot be done now; its message names the setting and the cause. After that the connection must be ended and a new one used. */
export type KafkaConnection = {
  /** Connects, and creates missing topics with the given settings, or else the broker's defaults. */
  open(topics: readonly NewTopic[]): Promise<void>;
  /** Resolves when all in-sync replicas have all messages. One call at a time. */
  send(batch: TopicMessages[]): Promise<void>;
  /** Ends the connection at once: calls in progress fail soon. */
  end(): void;
};
export type NewTopic = { topic: string; settings?: Record<string, string> };

/** Opens Kafka. The driver's own log goes to the debug level, because the driver also throws what it logs. */
export function openKafka({ brokers, ssl, sasl }: KafkaSettings, log: Logger): Kafka {
  let connectionCount = 0;
  const whyUnavailable = explainErrors({ brokers, ssl });
  // Whoever publishes logs the outages.
  const outage = explainOutages('Kafka cannot be used');

  function connection(): KafkaConnection {
    const sockets = destroyableSockets();
    // Each connection starts with another broker.
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
      // Only these two fields: others may contain what was sent.
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
    const withTimeout = <T>(call: () => Promise<T>): Promise<T> => {
      const timer = setTimeout(sockets.end, CALL_TIMEOUT);
      return translatingErrors(call, { outage, whyUnavailable }).finally(() => clearTimeout(timer));
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

/** Sockets that can all be destroyed: nothing else makes the driver stop retrying and let the process end. */
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
 * Verifies that every message was sent. The driver retries what one broker refused, but groups the messages by broker
 * anew: if a partition has moved to a broker that has already answered, or a key to another partition, messages are
 * lost without an error.
 */
function trackPartitions() {
  const defaultPartitioner = Partitioners.DefaultPartitioner();
  let chosen = new Map<Message, string>();
  const nameOf = (topic: string, partition: number): string => `${topic}/${partition}`;
  const createPartitioner: ICustomPartitioner = () => (args) => {
    const partition = defaultPartitioner(args);
    const name = nameOf(args.topic, partition);
    const previous = chosen.get(args.message);
    if (previous !== undefined && previous !== name) throw partitionMoved();
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

type WhyUnavailable = (kind: string, message: string) => Promise<string>;

/** Calls a broker. Throws BusUnavailable if the brokers or the connection fail; any other error is passed on. */
async function translatingErrors<T>(
  call: () => Promise<T>,
  { outage, whyUnavailable }: { outage: OutageCause; whyUnavailable: WhyUnavailable },
): Promise<T> {
  try {
    const answer = await call();
    outage.ended();
    return answer;
  } catch (error) {
    const kind = error instanceof BusUnavailable ? undefined : errorKind(error);
    if (kind === undefined) throw error;
    const { message } = error as Error;
    // Only what needs a connection is remembered.
    const why = () => whyUnavailable(kind, message);
    throw new BusUnavailable(await (kind === 'unreachable' ? outage.failed(why) : why()), { kind });
  }
}

const HINTS: Partial<Record<Finding['kind'], string>> = {
  plain: ', and KAFKA_SSL is true',
  silent: ', and KAFKA_SSL is true',
  tls: ', and KAFKA_SSL is not true',
};

function explainErrors({ brokers, ssl }: Pick<KafkaSettings, 'brokers' | 'ssl'>): WhyUnavailable {
  const endpoints = brokers.map((broker) => {
    const { hostname, port } = new URL(`tcp://${broker}`);
    return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
  });
  return async (kind, message) => {
    if (kind === 'sasl-authentication-failed')
      return `KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD: the user was refused (${message})`;
    const finding =
      kind === 'unreachable' &&
      (await diagnoseConnection(endpoints, ssl ? {} : undefined).catch(() => undefined));
    return finding
      ? `KAFKA_BROKERS: ${finding.message}${HINTS[finding.kind] ?? ''}`
      : `KAFKA_BROKERS: Kafka cannot be used right now: ${message}`;
  };
}

/** The root cause of an error of the driver, in a word or two; undefined if it is not one of Kafka's. */
function errorKind(error: unknown): string | undefined {
  const { name, type, cause, errors } = error as Error & { type?: unknown; errors?: unknown[] };
  if (typeof type === 'string') return type.toLowerCase().replaceAll('_', '-');
  const inner = errors?.[0] ?? cause;
  const innerKind = inner === undefined ? undefined : errorKind(inner);
  if (innerKind !== undefined) return innerKind;
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
