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

/** How long (ms) the outcome of a write, or of a probe, counts as current. */
const RESULT_LIFETIME = 10_000;

/** Errors of a healthy store: they are about the request. */
const EXPECTED_ERRORS = [
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
 * Wraps the stores to observe how their operations end, and makes the check of whether they work. The check relies on
 * the last real write to each store, and probes it only if that was more than 10 s ago. `now` is a monotonic clock
 * (ms).
 */
export function watchStores<S extends Stores>(stores: S, { log, now = () => performance.now() }: Options) {
  const { eventStore, readStore, secretStore } = stores;
  const options = { log, now };
  const events = watchStore('the log', eventStore, options);
  const rows = watchStore('the read store', readStore, options);
  const secrets = watchStore('the secret store', secretStore, options);
  const all = [events, rows, secrets];

  /**
   * Reads of the log are observed for damage only. If the log cannot be read, this node is not up to date, which is
   * checked itself.
   */
  const watchedEvents: EventStore = {
    ...eventStore,
    append: (...args) => events.writing(() => eventStore.append(...args)),
    read: (...args) => events.noteDamage(() => eventStore.read(...args)),
    readUpTo: (...args) => events.noteDamage(() => eventStore.readUpTo(...args)),
    readBackwards: (...args) => events.noteDamage(() => eventStore.readBackwards(...args)),
    readLogBackwards: (...args) => events.noteDamage(() => eventStore.readLogBackwards(...args)),
    readLast: (...args) => events.noteDamage(() => eventStore.readLast(...args)),
    eventAt: (...args) => events.noteDamage(() => eventStore.eventAt(...args)),
    newest: () => events.noteDamage(() => eventStore.newest()),
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
    // So small a write may succeed when others find no space.
    swapLease: (...args) => rows.reading(() => readStore.swapLease(...args)),
  };
  const watchedSecrets: SecretStore = {
    ...secretStore,
    get: (...args) => secrets.reading(() => secretStore.get(...args)),
    list: (...args) => secrets.reading(() => secretStore.list(...args)),
    put: (...args) => secrets.writing(() => secretStore.put(...args)),
    destroy: (...args) => secrets.writing(() => secretStore.destroy(...args)),
  };

  function throwIfAny(problems: (string | undefined)[]): void {
    const found = problems.filter((problem) => problem !== undefined);
    if (found.length > 0)
      throw new ApiError('ServiceUnavailable', `this service is not well: ${found.join('; ')}`);
  }

  /**
   * Makes the check of the heartbeat. It resolves if this node is up to date, its stores can be read and written to,
   * and the tokens of clients can be read; else it throws ServiceUnavailable that names the parts that fail.
   */
  function makeCheck(
    tokens: Pick<ClientTokens, 'probe' | 'problem'>,
    freshness: Pick<Freshness, 'ensureFresh'>,
  ) {
    const look = shareRuns(now, tokens.probe);
    const throwIfDamaged = (): void => throwIfAny(all.map((store) => store.damage()));
    return async function check(): Promise<void> {
      throwIfDamaged();
      await events
        .noteDamage(() => freshness.ensureFresh())
        .catch((error: unknown) => {
          throwIfDamaged();
          throw error;
        });
      const [failure] = await Promise.all([look(), ...all.map((store) => store.probeIfIdle())]);
      const missing = tokens.problem();
      throwIfAny([...all.map((store) => store.problem()), missing && `the secret store ${missing}`]);
      // Failures of stores are in `problems` already. This one has another cause, or is over.
      if (failure !== undefined) throw failure;
    };
  }

  return {
    stores: { ...stores, eventStore: watchedEvents, readStore: watchedRows, secretStore: watchedSecrets },
    makeCheck,
  };
}

/** Observes one store. */
function watchStore(name: string, { probe }: { probe(): Promise<void> }, { log, now }: Required<Options>) {
  const outage = watchOutage(log, `${name} fails the heartbeat`);
  let damage: StoreDamaged | undefined;
  let write: { at: number; error?: unknown } = { at: -Infinity };
  let readError: unknown;

  /** Damage is permanent until somebody repairs it, even if other parts of the file still work. */
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
      readError = undefined;
      return answer;
    } catch (error) {
      if (!isExpectedError(error)) readError = error;
      throw error;
    }
  }

  /** A write counts from its start: what made it fail may be over by its end. */
  async function writing<T>(ask: () => Promise<T>): Promise<T> {
    const at = now();
    try {
      const answer = await noting(ask);
      if (at >= write.at) write = { at };
      return answer;
    } catch (error) {
      if (!isExpectedError(error) && at >= write.at) write = { at, error };
      throw error;
    }
  }

  const probed = shareRuns(now, () => writing(probe));

  function problem(): string | undefined {
    const error = damage ?? write.error ?? readError;
    if (error === undefined) outage.ended();
    else outage.failed(error);
    if (damage) return `${name} is damaged`;
    if (write.error !== undefined) return `${name} cannot be written to`;
    return readError === undefined ? undefined : `${name} does not answer`;
  }

  return {
    note,
    noteDamage: noting,
    reading,
    writing,
    damage: () => damage && `${name} is damaged`,
    /** Probes the store unless a recent write has shown whether it works; the outcome is noted. */
    probeIfIdle: async () => (now() - write.at < RESULT_LIFETIME ? undefined : probed()),
    problem,
  };
}

function isExpectedError(error: unknown): boolean {
  return EXPECTED_ERRORS.some((kind) => error instanceof kind);
}

/** Runs at most once in 10 s. All callers in that time share the run, and resolve to its error, if any. */
function shareRuns(now: () => number, run: () => Promise<void>): () => Promise<unknown> {
  let startedAt = -Infinity;
  let isRunning = false;
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    if (!isRunning && now() - startedAt >= RESULT_LIFETIME) {
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
