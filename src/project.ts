import { setImmediate as turnOfTheLoop, setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { actorHistory } from '../projections/actorHistory.ts';
import { clients } from '../projections/clients.ts';
import { entityHistory } from '../projections/entityHistory.ts';
import { roles, type RoleRow } from '../projections/roles.ts';
import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import { ApiError } from './domain/errors.ts';
import { RoleGraph } from './domain/roleGraph.ts';
import type { Event, Position, Recorded } from './event.ts';
import type { EventStore, Revision } from './eventStore/eventStore.ts';
import { ROLES_STREAM, isAuthStream } from './streams.ts';
import { holdLease } from './readStore/lease.ts';
import type { Projection } from './projection.ts';
import type { ReadStore } from './readStore/readStore.ts';
import { readModel, type ReadModel } from './readModel.ts';
import { waitingRoom } from './waitingRoom.ts';

type AuthEvent = ClientEvent | RoleEvent;

/** Rows that may wait in memory for a lease holder before this node stops reading on. */
const MOST_UNWRITTEN = 20_000;
/** Rows are written this long (ms) after the first event that changed them: many changes then cost one commit. */
const WRITE_DELAY = 20;
/** How often (ms) a node that does not write asks how far the tables have come. */
const SETTLE_EVERY = 500;

/** The read models of this node, the role-expansion index among them, and how far they have come. */
export type Projector = Readonly<ReturnType<typeof openReadModels>> & {
  /** Everything up to this position is in the read models. */
  readonly position: Position;
  /** Resolves when everything that is in the log now is in the read models; else throws ServiceUnavailable after 5 s. */
  fresh(): Promise<void>;
  /** Resolves when the read models hold the position, with whether they did within the time (ms; 5 s when left out). */
  reach(position: Position, within?: number): Promise<boolean>;
  /** Whether this node is the one that writes the shared tables. */
  writes(): boolean;
  /** Stops following; what was applied is written if this node is the one that writes. */
  stop(): Promise<void>;
};

/** An event that this release cannot read, in a stream that decides on access: skipping it would grant or deny wrongly. */
export class UnknownEvent extends Error {}

/** Every projection that has a table. */
export const allProjections = [clients, roles, entityHistory, actorHistory] as unknown as Projection<
  object,
  Event
>[];

/** All read models over a read store, empty until they are loaded. */
export function openReadModels(store: ReadStore) {
  return {
    clients: readModel(clients, store),
    roles: readModel(roles, store),
    entityHistory: readModel(entityHistory, store),
    actorHistory: readModel(actorHistory, store),
    /** All roles with their expansions, and the revision of the stream `roles` that they are at. */
    roleGraph: new RoleGraph<RoleRow>(),
    rolesRevision: 'none' as Revision,
  };
}

/**
 * Follows the log for as long as it is not stopped: applies every event to this node's read models and, while it holds
 * the lease `projections`, writes their rows to the read store. Resolves once everything in the log has been applied.
 * Throws UnknownEvent when the log holds an event that this release cannot read.
 */
export async function startProjector(options: {
  eventStore: EventStore;
  readStore: ReadStore;
  log: Logger;
  holder: string;
}): Promise<Projector> {
  const { eventStore, readStore, log, holder } = options;
  const models = openReadModels(readStore);
  const tables = [models.clients, models.roles, models.entityHistory, models.actorHistory];
  const stopping = new AbortController();
  const waiting = waitingRoom();
  const lease = holdLease({
    readStore,
    name: 'projections',
    holder,
    signal: stopping.signal,
    onError: logRetry,
  });
  let position = await load();
  let failure: Error | undefined;
  let writing: Promise<void> | undefined;

  function logRetry(error: unknown): void {
    log.warn({ err: error }, 'the read store did not answer: trying again');
  }

  /** The role-expansion index from its table; following starts at the table that is furthest behind. */
  async function load(): Promise<Position> {
    const checkpoints = await Promise.all(tables.map((model) => model.checkpoint()));
    const after = checkpoints.map((checkpoint) => checkpoint ?? eventStore.start).sort()[0]!;
    const rows: RoleRow[] = [];
    for await (const row of models.roles.all()) rows.push(row.value);
    models.roleGraph.load(rows);
    const last = await eventStore.readLast(ROLES_STREAM);
    if (last && last.position <= after) models.rolesRevision = last.revision;
    return after;
  }

  async function apply(event: Recorded<AuthEvent>): Promise<void> {
    if (!isAuthStream(event.stream)) return;
    if (!(event.type in entityHistory.on)) {
      throw new UnknownEvent(
        `event ${event.position} in stream ${event.stream} is of type ${event.type}, which this release cannot read: ` +
          'run a newer one',
      );
    }
    const isRole = event.stream === ROLES_STREAM;
    const model: ReadModel<object> = isRole ? models.roles : models.clients;
    const [row] = await Promise.all([
      model.apply(event),
      models.entityHistory.apply(event),
      models.actorHistory.apply(event),
    ]);
    if (isRole) {
      if (row) models.roleGraph.set(row as RoleRow);
      else models.roleGraph.delete((event as Recorded<RoleEvent>).data.roleId);
      models.rolesRevision = event.revision;
    }
  }

  const write = (): Promise<void> => (writing ??= writeTables().finally(() => (writing = undefined)));
  async function writeTables(): Promise<void> {
    const upTo = position;
    for (const model of tables) {
      if (lease.held()) await model.write(upTo);
      else model.settle((await model.checkpoint()) ?? '');
    }
  }
  const unwritten = (): number => Math.max(...tables.map((model) => model.unwritten));
  let planned: NodeJS.Timeout | undefined;
  function planWrite(): void {
    planned ??= setTimeout(
      () => {
        planned = undefined;
        write().then(
          () => unwritten() > 0 && planWrite(),
          (error) => (logRetry(error), planWrite()),
        );
      },
      lease.held() ? WRITE_DELAY : SETTLE_EVERY,
    ).unref();
  }

  async function follow(signal: AbortSignal): Promise<void> {
    for await (const batch of eventStore.subscribe({ after: position, signal })) {
      for (const event of batch.events) await apply(event as Recorded<AuthEvent>);
      position = batch.position;
      waiting.admit(position);
      while (unwritten() > MOST_UNWRITTEN && !signal.aborted) {
        await write();
        if (unwritten() > MOST_UNWRITTEN) await sleep(100);
      }
      if (batch.events.length > 0) planWrite();
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await follow(stopping.signal);
      } catch (error) {
        if (error instanceof UnknownEvent) {
          failure = error;
          waiting.close();
          log.fatal({ err: error }, 'the read models stopped');
          return;
        }
        log.error({ err: error }, 'following the log failed: trying again in a second');
        await sleep(1000);
      }
    }
  }
  const running = run();
  if (!(await waiting.wait(await eventStore.head(), Infinity))) {
    await lease.release();
    throw failure!;
  }

  const reach = async (wanted: Position, within = 5000): Promise<boolean> =>
    position >= wanted || waiting.wait(wanted, within);

  let checking: Promise<void> | undefined;
  /** One look at the log for everybody who asks before it happens. */
  async function checkSoon(): Promise<void> {
    await turnOfTheLoop();
    checking = undefined;
    const head = await eventStore.head();
    if (!failure && (head <= position || (await reach(head)))) return;
    const reason = failure?.message ?? 'this node has not caught up with the log yet: try again';
    throw new ApiError('ServiceUnavailable', reason);
  }

  return {
    ...models,
    reach,
    get rolesRevision() {
      return models.rolesRevision;
    },
    get position() {
      return position;
    },
    fresh: () => (checking ??= checkSoon()),
    writes: () => lease.held(),
    async stop() {
      stopping.abort();
      await running;
      clearTimeout(planned);
      await writing;
      if (!failure && lease.held()) await writeTables();
      await lease.release();
      waiting.close();
    },
  };
}
