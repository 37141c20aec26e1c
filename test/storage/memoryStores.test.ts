import { validateEvent } from '../../src/eventStore/validateEvent.ts';
import { memoryEventStore } from '../../src/eventStore/memoryEventStore.ts';
import { memoryReadStore } from '../../src/readStore/memoryReadStore.ts';
import { memorySecretStore } from '../../src/secretStore/memorySecretStore.ts';
import { eventStoreContract } from '../contracts/eventStore.ts';
import { readStoreContract } from '../contracts/readStore.ts';
import { secretStoreContract } from '../contracts/secretStore.ts';

const nothing = async (): Promise<void> => undefined;
eventStoreContract('memory', async () => ({
  store: memoryEventStore({ validate: validateEvent }),
  remove: nothing,
}));
readStoreContract('memory', async () => ({ store: memoryReadStore(), remove: nothing }));
secretStoreContract('memory', async (keyring) => ({
  store: memorySecretStore({ keyring }),
  remove: nothing,
}));
