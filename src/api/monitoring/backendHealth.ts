import type { Logger } from 'pino';
import type { ClientTokens } from '../../authentication/clientTokens.ts';
import { ApiError } from '../../domain/errors.ts';
import {
  EventTooLarge,
  type EventStore,
  InvalidEvent,
  WrongExpectedRevision,
} from '../../eventStore/eventStore.ts';
import { StoreDamaged } from '../../storage/storeErrors.ts';
import { UnknownPosition } from '../../eventStore/position.ts';
import type { Freshness } from '../../readSide/freshness.ts';
import { watchOutage } from '../../process/outage.ts';
import type { ReadStore } from '../../readStore/readStore.ts';
import { SecretExists, type SecretStore, UnsealError } from '../../secretStore/secretStore.ts';
import { repairHint } from '../../storage/storeDamage.ts';

/** How long (ms) the last write to a store says what would come of the next; and how long a probe, or a look, is kept. */
const KEPT = 10_000;

/** What a store says when it works: these errors are about what was asked of it. */
const ANSWERS = [
  WrongExpectedRevision,
  EventTooLarge,
  InvalidEvent,
  UnknownPosition,
  SecretExists,
  UnsealError,
];

type Stores = { eventStore: EventStore; readStore: ReadStore; secretStore: SecretStore };
type Options = { log: Logger; now?: () => number };

/**
 * The same stores, of which it is noted how what is asked of them ends, and a judgement of whether they work: from the last
 * real write to each, and only where that was more than 10 s ago from a probe. `now` is a monotonic clock (ms).
 */
export function watchStores<S extends Stores>(stores: S, { log, now = () => performance.now() }: Options) {
  const { eventStore, readStore, secretStore } = stores;
  const options = { log, now };
  const events = watchStore('the log', eventStore, options);
  const rows = watchStore('the read store', readStore, options);
  const secrets = watchStore('the secret store', secretStore, options);
  const all = [events, rows, secrets];

  /** Whether the log can be read at all times shows in whether this node is up to date: here it is about damage alone. */
  const watchedEvents: EventStore = {
    ...eventStore,
    append: (...args) => events.writing(() => eventStore.append(...args)),
    read: (...args) => events.noting(() => eventStore.read(...args)),
    readLast: (...args) => events.noting(() => eventStore.readLast(...args)),
    newest: () => events.noting(() => eventStore.newest()),
    async *subscribe(subscription) {
      try {
        yield* eventStore.subscribe(subscription);
      } catch (error) {
        events.note(error);
        throw error;
      }
    },
  };
  const watchedRows: ReadStore = {
    ...readStore,
    get: (...args) => rows.reading(() => readStore.get(...args)),
    list: (...args) => rows.reading(() => readStore.list(...args)),
    checkpoint: (...args) => rows.reading(() => readStore.checkpoint(...args)),
    readLease: (...args) => rows.reading(() => readStore.readLease(...args)),
    commit: (...args) => rows.writing(() => readStore.commit(...args)),
    // So small a write finds room where others find none.
    swapLease: (...args) => rows.reading(() => readStore.swapLease(...args)),
  };
  const watchedSecrets: SecretStore = {
    ...secretStore,
    get: (...args) => secrets.reading(() => secretStore.get(...args)),
    list: (...args) => secrets.reading(() => secretStore.list(...args)),
    put: (...args) => secrets.writing(() => secretStore.put(...args)),
    destroy: (...args) => secrets.writing(() => secretStore.destroy(...args)),
  };

  function refuseIf(problems: (string | undefined)[]): void {
    const found = problems.filter((problem) => problem !== undefined);
    if (found.length > 0)
      throw new ApiError('ServiceUnavailable', `this service is not well: ${found.join('; ')}`);
  }

  /**
   * What the heartbeat asks: resolves when this node is up to date, its stores can be read and written to, and the tokens of clients
   * are there; throws ServiceUnavailable naming the parts that fail.
   */
  function makeCheck(tokens: Pick<ClientTokens, 'look' | 'problem'>, freshness: Pick<Freshness, 'fresh'>) {
    const look = keptFor(now, tokens.look);
    const refuseDamage = (): void => refuseIf(all.map((store) => store.damage()));
    return async function check(): Promise<void> {
      refuseDamage();
      await events
        .noting(() => freshness.fresh())
        .catch((error: unknown) => {
          refuseDamage();
          throw error;
        });
      const [failure] = await Promise.all([look(), ...all.map((store) => store.tryWriting())]);
      const missing = tokens.problem();
      refuseIf([...all.map((store) => store.problem()), missing && `the secret store ${missing}`]);
      // What a store fails at is noted above: this is something else, or is over.
      if (failure !== undefined) throw failure;
    };
  }

  return {
    stores: { ...stores, eventStore: watchedEvents, readStore: watchedRows, secretStore: watchedSecrets },
    makeCheck,
  };
}

/** What is known of one store. */
function watchStore(name: string, { probe }: { probe(): Promise<void> }, { log, now }: Required<Options>) {
  const outage = watchOutage(log, `${name} fails the heartbeat`);
  let damage: StoreDamaged | undefined;
  let write: { at: number; error?: unknown } = { at: -Infinity };
  let unread: unknown;

  /** Damage stays until somebody mends it, though other parts of the file can be read and written to. */
  function note(error: unknown): void {
    if (damage || !(error instanceof StoreDamaged)) return;
    damage = error;
    log.error({ err: error }, `${name} is damaged: ${repairHint(error)}`);
  }

  async function noting<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      note(error);
      throw error;
    }
  }

  async function reading<T>(ask: () => Promise<T>): Promise<T> {
    try {
      const answer = await noting(ask);
      unread = undefined;
      return answer;
    } catch (error) {
      if (!isAnswer(error)) unread = error;
      throw error;
    }
  }

  /** A write counts from when it began: what it met may be over by its end. */
  async function writing<T>(ask: () => Promise<T>): Promise<T> {
    const at = now();
    try {
      const answer = await noting(ask);
      if (at >= write.at) write = { at };
      return answer;
    } catch (error) {
      if (!isAnswer(error) && at >= write.at) write = { at, error };
      throw error;
    }
  }

  const probed = keptFor(now, () => writing(probe));

  function problem(): string | undefined {
    const error = damage ?? write.error ?? unread;
    if (error === undefined) outage.ended();
    else outage.failed(error);
    if (damage) return `${name} is damaged`;
    if (write.error !== undefined) return `${name} cannot be written to`;
    return unread === undefined ? undefined : `${name} does not answer`;
  }

  return {
    note,
    noting,
    reading,
    writing,
    damage: () => damage && `${name} is damaged`,
    /** Probes the store where no write has lately shown whether it can be written to; how that ends is noted. */
    tryWriting: async () => (now() - write.at < KEPT ? undefined : probed()),
    problem,
  };
}

function isAnswer(error: unknown): boolean {
  return ANSWERS.some((kind) => error instanceof kind);
}

/** Runs it at most once in 10 s: all who ask meanwhile share that run, and are told what it threw. */
function keptFor(now: () => number, run: () => Promise<void>): () => Promise<unknown> {
  let startedAt = -Infinity;
  let isRunning = false;
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    if (!isRunning && now() - startedAt >= KEPT) {
      startedAt = now();
      isRunning = true;
      last = run()
        .then(
          () => undefined,
          (error: unknown) => error,
        )
        .finally(() => (isRunning = false));
    }
    return last;
  };
}
