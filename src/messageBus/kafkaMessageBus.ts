import type { Kafka, KafkaProducer } from '../openKafka.ts';
import { BusUnavailable, type Message, type MessageBus, topicName } from './messageBus.ts';

/**
 * Kafka's topics `<prefix>events` and `<prefix>messages`, which are made where they are missing. All of a key goes to one
 * partition, where it is read in order.
 */
export function kafkaMessageBus({ kafka, prefix }: { kafka: Kafka; prefix: string }): MessageBus {
  let producer: KafkaProducer | undefined;
  let isClosed = false;

  async function connect(): Promise<KafkaProducer> {
    await kafka.makeTopics([
      // Whoever comes later can read everything from its beginning.
      { topic: topicName(prefix, 'events'), settings: { 'retention.ms': '-1' } },
      { topic: topicName(prefix, 'messages') },
    ]);
    const connected = await kafka.connectProducer();
    if (!isClosed) return connected;
    await connected.disconnect();
    throw new BusUnavailable('the bus is closed', { kind: 'closed' });
  }

  return {
    async publish(messages) {
      producer ??= await connect();
      const { send, disconnect } = producer;
      try {
        if (messages.length > 0) await send(batchOf(messages, prefix));
      } catch (error) {
        // Its numbers may be ahead of the broker's or behind: with them, other messages would be taken for these.
        producer = undefined;
        void disconnect().catch(() => undefined);
        throw error;
      }
    },
    async close() {
      isClosed = true;
      await producer?.disconnect();
    },
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
