import { setImmediate as turnOfTheLoop, setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { actorHistory } from '../../projections/actorHistory.ts';
import { clients } from '../../projections/clients.ts';
import { roleHistory } from '../../projections/roleHistory.ts';
import { roles, type RoleRow } from '../../projections/roles.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import { ApiError } from '../domain/errors.ts';
import { RoleGraph } from '../domain/roleGraph.ts';
import { ROLE_LIMITS } from '../domain/roleTotals.ts';
import type { Event, Position, Recorded } from '../event.ts';
import type { Batch, EventStore, Revision } from '../eventStore/eventStore.ts';
import { UnknownPosition } from '../eventStore/position.ts';
import { ROLES_STREAM, isAuthStream } from '../eventStore/streams.ts';
import { holdLease } from '../readStore/lease.ts';
import { applyEvent, type Projection } from '../projection.ts';
import type { ReadStore } from '../readStore/readStore.ts';
import { type Follower, readModel } from './readModel.ts';
import { UnknownEvent } from '../eventStore/unknownEvent.ts';
import { boundedWaiters } from '../process/boundedWaiters.ts';
import { FileGone } from '../storage/watchFiles.ts';

/** Rows that may wait in memory for a lease holder before this node stops reading on. */
const MOST_UNWRITTEN = 20_000;
/** The same of a node that starts, and answers nothing yet: whoever writes many rows at once writes them beside each other. */
const MOST_UNWRITTEN_AT_START = 200_000;
/** Events that may pass before the tables say so, though they changed no row: after a crash they are read again. */
const MOST_PASSED = 10_000;
/** Rows are written this long (ms) after the first event that changed them: many changes then cost one commit. */
const WRITE_DELAY = 20;
/** How long (ms) a request waits for a position. */
const PATIENCE = 5000;
/** How often (ms) a node that does not write asks how far the tables have come. */
const SETTLE_EVERY = 500;
/** Callers' requests that may wait for a position at once, of all and of each. Each keeps its body meanwhile. */
const MOST_CALLERS = 500;
const MOST_OF_CALLER = 100;
const BEHIND = 'this node has not caught up with the log yet: try again';

/** The read models of this node, the role-expansion index among them, and how far they have come. */
export type Projector = Readonly<ReturnType<typeof openReadModels>> & {
  /** The position of the last event in the read models: one that every other node comes to as well. */
  readonly position: Position;
  /** Whether the read models hold the position. */
  holds(position: Position): boolean;
  /** Resolves when everything that is in the log now is in the read models; else throws ServiceUnavailable after 5 s. */
  catchUp(): Promise<void>;
  /** Resolves when the read models hold the position, with whether they did within the time (ms; 5 s when left out). */
  reach(position: Position, within?: number): Promise<boolean>;
  /**
   * The same of a position that a caller waits for, in a room of their own, so that they take no place from this node's own
   * catching up. Throws TooManyRequests where too many of the caller wait already.
   */
  reachFor(caller: string, position: Position): Promise<boolean>;
  /** Whether this node is the one that writes the shared tables. */
  writes(): boolean;
  /** Stops following; what was applied is written if this node is the one that writes. */
  stop(): Promise<void>;
};

/** Every projection that has a table. */
export const allProjections = [clients, roles, roleHistory, actorHistory] as unknown as Projection<
  object,
  Event
>[];

/** All read models over a read store, empty until they are loaded. */
function openReadModels(store: ReadStore, follower: Follower, maxRoleScopes = ROLE_LIMITS.scopes) {
  return {
    clients: readModel(clients, store, follower),
    roles: readModel(roles, store, follower),
    roleHistory: readModel(roleHistory, store, follower),
    actorHistory: readModel(actorHistory, store, follower),
    /** All roles with their expansions, and the revision of the stream `roles` that they are at. */
    roleGraph: new RoleGraph<RoleRow>({ ...ROLE_LIMITS, scopes: maxRoleScopes }),
    rolesRevision: 'none' as Revision,
  };
}

/**
 * Follows the log for as long as it is not stopped: applies every event to this node's read models and, while it holds
 * the lease `projections`, writes their rows to the read store. Resolves once everything in the log has been applied.
 * Throws UnknownEvent for one that this release cannot read, UnknownPosition for tables that are not of this log.
 */
export async function startProjector(options: {
  eventStore: EventStore;
  readStore: ReadStore;
  log: Logger;
  holder: string;
  /** How many scopes all roles may have together. */
  maxRoleScopes?: number;
}): Promise<Projector> {
  const { eventStore, readStore, log, holder, maxRoleScopes } = options;
  const stopping = new AbortController();
  const waiting = boundedWaiters();
  const callers = boundedWaiters({ max: MOST_CALLERS, maxPerCaller: MOST_OF_CALLER });
  // Nothing is held before the first batch: only then it is known that the tables are of this log.
  let position = '';
  let followFrom = eventStore.start;
  /** The position of the last event, beyond which `position` goes where others share the log. */
  let lastEvent = eventStore.start;
  let isStarted = false;
  let failure: Error | undefined;
  let writing: Promise<void> | undefined;
  let passed = 0;
  const holds = (wanted: Position): boolean => wanted <= position;
  const models = openReadModels(readStore, { holds, untilHeld }, maxRoleScopes);
  const tables = [models.clients, models.roles, models.roleHistory, models.actorHistory];
  const lease = holdLease({
    readStore,
    name: 'projections',
    holder,
    signal: stopping.signal,
    onError: logRetry,
  });

  function logRetry(error: unknown): void {
    // Of that, whoever ends the process tells.
    if (error instanceof FileGone) return;
    log.warn({ err: error }, 'the read store did not answer: trying again');
  }

  /** The role-expansion index from its table; following starts at the table that is furthest behind. */
  async function load(): Promise<Position> {
    const checkpoints = await Promise.all(tables.map((model) => model.checkpoint()));
    // Looking for rows in a table that is there costs less.
    for (const [i, { table }] of tables.entries())
      if (checkpoints[i] === undefined) await readStore.commit(table, []);
    const after = checkpoints.map((checkpoint) => checkpoint ?? eventStore.start).sort()[0]!;
    const rows: RoleRow[] = [];
    for await (const row of models.roles.all()) rows.push(row.value);
    models.roleGraph.load(rows);
    const last = await eventStore.readLast(ROLES_STREAM);
    if (last && last.position <= after) models.rolesRevision = last.revision;
    return after;
  }

  /** Nothing waits in between: who asks sees all of a batch, or nothing of it. */
  function applyAll(batch: Batch): void {
    for (const event of batch.events.filter(({ stream }) => isAuthStream(stream))) {
      if (!(event.type in actorHistory.on)) throw new UnknownEvent(event);
      for (const model of tables) model.apply(event);
      if (event.stream === ROLES_STREAM) followRole(event as Recorded<RoleEvent>);
    }
    followFrom = position = batch.position;
    lastEvent = batch.events.at(-1)?.position ?? lastEvent;
  }

  function followRole(event: Recorded<RoleEvent>): void {
    const { roleId } = event.data;
    const row = applyEvent(roles, models.roleGraph.get(roleId), event);
    if (row) models.roleGraph.set(row);
    else models.roleGraph.delete(roleId);
    models.rolesRevision = event.revision;
  }

  const write = (): Promise<void> => (writing ??= writeTables().finally(() => (writing = undefined)));
  async function writeTables(): Promise<void> {
    const upTo = position;
    passed = 0;
    for (const model of tables) {
      if (lease.held()) await model.write(upTo, lease.held);
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
    for await (const batch of eventStore.subscribe({ after: followFrom, signal })) {
      applyAll(batch);
      waiting.resolveUpTo(position);
      callers.resolveUpTo(position);
      const most = isStarted ? MOST_UNWRITTEN : MOST_UNWRITTEN_AT_START;
      while (unwritten() > most && !signal.aborted) {
        await write();
        if (unwritten() > most) await sleep(100);
      }
      passed += batch.events.length;
      if (batch.live && (unwritten() > 0 || passed > MOST_PASSED)) planWrite();
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await follow(stopping.signal);
      } catch (error) {
        const isForGood =
          error instanceof UnknownEvent || error instanceof UnknownPosition || error instanceof FileGone;
        if (isForGood) {
          failure = error;
          waiting.close();
          callers.close();
          if (!(error instanceof FileGone)) log.fatal({ err: error }, 'the read models stopped');
          return;
        }
        log.error({ err: error }, 'following the log failed: trying again in a second');
        await sleep(1000);
      }
    }
  }

  let running: Promise<void> | undefined;
  async function start(): Promise<void> {
    followFrom = await load();
    running = run();
    const head = await eventStore.head();
    if (failure || !(await reach(head, Infinity))) throw failure!;
    if (lastEvent < head) lastEvent = head;
    isStarted = true;
  }

  const reach = async (wanted: Position, within = PATIENCE): Promise<boolean> =>
    position >= wanted || waiting.wait(wanted, within);

  async function reachFor(caller: string, wanted: Position): Promise<boolean> {
    if (position >= wanted) return true;
    if (!callers.isFullFor(caller)) return callers.wait(wanted, PATIENCE, caller);
    throw new ApiError(
      'TooManyRequests',
      `at most ${MOST_OF_CALLER} requests of one caller may wait for a position at the same time`,
      { retryAfter: 1 },
    );
  }

  async function untilHeld(wanted: Position): Promise<void> {
    if (!failure && (await reach(wanted))) return;
    throw new ApiError('ServiceUnavailable', failure?.message ?? BEHIND);
  }

  let checking: Promise<void> | undefined;
  /** One look at the log for everybody who asks before it happens. */
  async function checkSoon(): Promise<void> {
    await turnOfTheLoop();
    checking = undefined;
    await untilHeld(await eventStore.head());
  }

  /** What cannot be written now is made from the log by whoever writes next. */
  async function stop(): Promise<void> {
    stopping.abort();
    await running;
    clearTimeout(planned);
    await writing?.catch(logRetry);
    if (!failure && isStarted && lease.held()) await writeTables().catch(logRetry);
    await lease.release().catch(logRetry);
    waiting.close();
    callers.close();
  }

  await start().catch(async (error: unknown) => {
    await stop();
    throw error;
  });

  return {
    ...models,
    holds,
    reach,
    reachFor,
    get rolesRevision() {
      return models.rolesRevision;
    },
    get position() {
      return lastEvent;
    },
    catchUp: () => (checking ??= checkSoon()),
    writes: () => lease.held(),
    stop,
  };
}
