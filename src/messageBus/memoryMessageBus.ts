import type { Message, MessageBus } from './messageBus.ts';

/** A bus in memory, for tests; `published` is everything that was published, in order. */
export function memoryMessageBus(): MessageBus & { published: Message[] } {
  const published: Message[] = [];
  return {
    published,
    async publish(messages) {
      published.push(...structuredClone(messages));
    },
    close: async () => undefined,
  };
}
