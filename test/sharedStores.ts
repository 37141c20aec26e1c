import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import type { Stores } from '../src/compose.ts';
import { readConfig } from '../src/config/config.ts';
import { type EventStore } from '../src/eventStore/eventStore.ts';
import { StoreUnavailable } from '../src/storage/storeErrors.ts';
import { memoryEventStore } from '../src/eventStore/memoryEventStore.ts';
import { validateEvent } from '../src/eventStore/validateEvent.ts';
import { memoryReadStore } from '../src/readStore/memoryReadStore.ts';
import { type Keyring, keyring } from '../src/secretStore/keyring.ts';
import { memorySecretStore } from '../src/secretStore/memorySecretStore.ts';
import { startServer, type RunningServer } from '../src/cli/startServer.ts';
import { newKey } from './contracts/secretStore.ts';
import { STATIC_CLIENTS } from './startService.ts';
import { guardedServices } from '../src/services/guardedServices.ts';

/** What can go wrong between one node and the stores. */
export type Link = {
  /** How long (ms) an event takes to this node. */
  lag: number;
  /** The log is out of reach. */
  isLogCut: boolean;
  /** The read models and secrets are out of reach. */
  isReadCut: boolean;
  /** They are from the next append on. */
  isReadCutByAppend?: boolean;
};

export type TestNode = RunningServer & { link: Link; logged(): string };

/** A node's own connections to the read and secret stores that all share. */
export type OpenStores = (keys: Keyring) => Promise<Pick<Stores, 'readStore' | 'secretStore'>>;

/**
 * Stores that several nodes share, as they would servers: the log in memory unless another is given, and the others too
 * unless `open` opens them.
 */
export function sharedStores(
  open?: OpenStores,
  eventStore: EventStore = memoryEventStore({ validate: validateEvent }),
) {
  const readStore = memoryReadStore();
  const key = newKey('of all nodes');
  const keys = keyring(() => [key]);
  const secretStore = memorySecretStore({ keyring: keys });

  async function storesOver(link: Link): Promise<Stores> {
    const opened = open ? await open(keys) : { readStore, secretStore };
    return {
      eventStore: linked(laggingBehind(eventStore, link), () => link.isLogCut),
      readStore: linked(opened.readStore, () => link.isReadCut),
      secretStore: linked(opened.secretStore, () => link.isReadCut),
      keys,
      addKey: undefined,
      filesGone: new Promise<never>(() => undefined),
      async close() {
        await Promise.all([opened.readStore.close(), opened.secretStore.close()]);
      },
    };
  }

  /** A whole node over the stores, checking each of its replies against its schema. */
  async function startNode(
    env: Record<string, string> = {},
    link: Link = { lag: 0, isLogCut: false, isReadCut: false },
  ): Promise<TestNode> {
    const lines: string[] = [];
    const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
    const config = readConfig(guardedServices, {
      PORT: '0',
      EVENT_STORE_URL: 'kurrentdb://in.memory',
      READ_STORE_URL: 'mongodb://in.memory',
      SECRET_KEYS: JSON.stringify([{ id: 'k', key: Buffer.alloc(32).toString('base64') }]),
      MAX_STALENESS: '2s',
      STATIC_CLIENTS,
      ...env,
    });
    const serving = await startServer(config, { log, checkReplies: true, stores: await storesOver(link) });
    return { ...serving, link, logged: () => lines.join('') };
  }

  return { eventStore, readStore, secretStore, startNode };
}

function laggingBehind(eventStore: EventStore, link: Link): EventStore {
  return {
    ...eventStore,
    async append(writes, metadata) {
      const appended = await eventStore.append(writes, metadata);
      link.isReadCut ||= link.isReadCutByAppend === true;
      return appended;
    },
    async *subscribe(options) {
      for await (const batch of eventStore.subscribe(options)) {
        if (link.lag > 0) await sleep(link.lag);
        if (link.isLogCut) throw new StoreUnavailable('the connection was cut');
        yield batch;
      }
    },
  };
}

/** The same store, whose calls fail while the link is cut. */
function linked<S extends object>(store: S, isCut: () => boolean): S {
  return new Proxy(store, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== 'function' || name === 'subscribe' || name === 'close') return value;
      return async (...args: unknown[]): Promise<unknown> => {
        if (isCut()) throw new StoreUnavailable('out of reach');
        return (value as (...args: unknown[]) => unknown)(...args);
      };
    },
  });
}
