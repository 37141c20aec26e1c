import { afterEach, describe, expect, test } from '@jest/globals';
import type { Message, MessageBus, Topic } from '../../src/messageBus/messageBus.ts';

export type OpenBus = {
  bus: MessageBus;
  /** Everything in a topic, from its beginning; what has the same key is in the order of the topic. */
  read(topic: Topic): Promise<Message[]>;
  remove(): Promise<void>;
};

function message(n: number, given: Partial<Message> = {}): Message {
  return {
    topic: 'events',
    key: `client/${n % 7}`,
    value: JSON.stringify({ n }),
    headers: { position: String(n), 'event-id': `id-${n}` },
    ...given,
  };
}

/** Messages by key, in their order. */
export function byKey<M extends Pick<Message, 'key'>>(messages: readonly M[]): Record<string, M[]> {
  const groups: Record<string, M[]> = {};
  for (const message of messages) (groups[message.key] ??= []).push(message);
  return groups;
}

/** Messages where they come first, as a consumer has them who leaves out the ids that it has seen. */
export function firsts(messages: readonly Message[]): Message[] {
  const seen = new Set<string>();
  return messages.filter(({ topic, headers }) => {
    const id = `${topic} ${headers['event-id']}`;
    return !seen.has(id) && seen.add(id);
  });
}

/** What every message bus must do. */
export function messageBusContract(name: string, open: () => Promise<OpenBus>): void {
  describe(`message bus: ${name}`, () => {
    let opened: OpenBus | undefined;
    afterEach(async () => {
      await opened?.bus.close();
      await opened?.remove();
      opened = undefined;
    });

    test('keeps the messages of each topic and key in order', async () => {
      opened = await open();
      const messages = Array.from({ length: 500 }, (_, n) =>
        message(n, { topic: n % 3 === 0 ? 'messages' : 'events' }),
      );
      for (let at = 0; at < messages.length; at += 60) await opened.bus.publish(messages.slice(at, at + 60));
      for (const topic of ['events', 'messages'] as const) {
        const expected = messages.filter((each) => each.topic === topic);
        expect(byKey(await opened.read(topic))).toEqual(byKey(expected));
      }
    });

    test('gives keys, values and headers as they were, once they are acknowledged', async () => {
      opened = await open();
      const sent = [
        message(1, {
          key: 'role/über *\u{1F600}',
          value: '{"é":"\u{1F600}"}',
          headers: { exchange: 'a/b', empty: '' },
        }),
        message(2, { key: `client/${'x'.repeat(1000)}`, value: JSON.stringify('y'.repeat(900 * 1024)) }),
      ];
      await opened.bus.publish(sent);
      expect(byKey(await opened.read('events'))).toEqual(byKey(sent));
    });

    test('publishes the same messages again when asked to', async () => {
      opened = await open();
      const [first, second] = [message(1), message(8)];
      await opened.bus.publish([first]);
      await opened.bus.publish([first, second]);
      expect(await opened.read('events')).toEqual([first, first, second]);
    });

    test('takes an empty list, and publishes nothing', async () => {
      opened = await open();
      await opened.bus.publish([]);
      expect([...(await opened.read('events')), ...(await opened.read('messages'))]).toEqual([]);
    });
  });
}
