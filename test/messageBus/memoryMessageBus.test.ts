import { memoryMessageBus } from '../../src/messageBus/memoryMessageBus.ts';
import { messageBusContract } from '../contracts/messageBus.ts';

messageBusContract('memory', async () => {
  const bus = memoryMessageBus();
  return {
    bus,
    read: async (topic) => bus.published.filter((message) => message.topic === topic),
    remove: async () => undefined,
  };
});
