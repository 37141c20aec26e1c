import type { Kafka, KafkaConnection } from './openKafka.ts';
import { type Message, type MessageBus, topicName } from './messageBus.ts';

/** Whoever comes later can read everything from its beginning, whatever the broker does with other topics. */
const UNLIMITED_RETENTION = { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' };

/**
 * Kafka's topics `<prefix>events` and `<prefix>messages`, which are made where they are missing. All of a key goes to one
 * partition, where it is read in order.
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
        // Its sequence numbers may not be the broker's any more: other messages would be taken for those that came before.
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
