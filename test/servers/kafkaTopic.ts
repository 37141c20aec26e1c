import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Admin, Kafka, logLevel } from 'kafkajs';

/** A record of a topic, as a consumer of another project sees it. */
export type Received = {
  key: string;
  value: string;
  headers: Record<string, string>;
  partition: number;
};

/** A client of its own for the broker at an address. */
export function kafkaAt(address: string): Kafka {
  return new Kafka({ brokers: [address], logLevel: logLevel.NOTHING, retry: { retries: 20 } });
}

/** All that is in a topic now, from its beginning; each partition in its order. */
export async function readTopic(address: string, topic: string): Promise<Received[]> {
  const kafka = kafkaAt(address);
  const ends = await endsOf(kafka.admin(), topic);
  const left = new Map(
    ends.filter(({ high, low }) => high !== low).map(({ partition, high }) => [partition, BigInt(high)]),
  );
  const received: Received[] = [];
  if (left.size === 0) return received;

  const consumer = kafka.consumer({ groupId: `test-${randomUUID()}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        async eachMessage({ partition, message: { key, value, headers = {}, offset } }) {
          if (BigInt(offset) >= left.get(partition)!) return;
          received.push({
            key: String(key),
            value: String(value),
            headers: Object.fromEntries(Object.entries(headers).map(([name, each]) => [name, String(each)])),
            partition,
          });
          if (BigInt(offset) + 1n < left.get(partition)!) return;
          left.delete(partition);
          if (left.size === 0) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return received;
}

/** Of a topic that was just made, nobody may be in charge yet. */
async function endsOf(admin: Admin, topic: string): ReturnType<Admin['fetchTopicOffsets']> {
  await admin.connect();
  for (let tries = 1; ; tries += 1) {
    try {
      return await admin.fetchTopicOffsets(topic);
    } catch (error) {
      if (tries >= 20) throw error;
      await sleep(100);
    } finally {
      await admin.disconnect();
    }
    await admin.connect();
  }
}
