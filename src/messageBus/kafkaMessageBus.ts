import type { Kafka, KafkaConnection } from './openKafka.ts';
import { type Message, type MessageBus, topicName } from './messageBus.ts';

/** Keeps all events, whatever the broker's defaults for other topics: a late subscriber can read from the beginning. */
const UNLIMITED_RETENTION = { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' };

/**
 * Publishes to Kafka's topics `<prefix>events` and `<prefix>messages`, which are created if they are missing. All
 * messages of a key go to one partition, and so are read in order.
 */
export function kafkaMessageBus({ kafka, prefix }: { kafka: Kafka; prefix: string }): MessageBus {
  let connection: KafkaConnection | undefined;

  async function ensureConnected(): Promise<KafkaConnection> {
    if (connection) return connection;
    connection = kafka.connection();
    await connection.open([
      { topic: topicName(prefix, 'events'), settings: UNLIMITED_RETENTION },
      { topic: topicName(prefix, 'messages') },
    ]);
    return connection;
  }

  function end(): void {
    connection?.end();
    connection = undefined;
  }

  return {
    async publish(messages) {
      try {
        const { send } = await ensureConnected();
        if (messages.length > 0) await send(batchOf(messages, prefix));
      } catch (error) {
        // The producer's sequence numbers may no longer match the broker's: new messages could be dropped as
        // duplicates.
        end();
        throw error;
      }
    },
    close: async () => end(),
  };
}

function batchOf(messages: readonly Message[], prefix: string) {
  return [...new Set(messages.map(({ topic }) => topic))].map((topic) => ({
    topic: topicName(prefix, topic),
    messages: messages
      .filter((message) => message.topic === topic)
      .map(({ key, value, headers }) => ({ key, value, headers })),
  }));
}
