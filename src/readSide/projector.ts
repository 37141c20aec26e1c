import { setImmediate as yieldToEventLoop, setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { actorHistory } from '../../projections/actorHistory.ts';
import { clients } from '../../projections/clients.ts';
import { clientScopes } from '../../projections/clientScopes.ts';
import { expirations } from '../../projections/expirations.ts';
import { lives } from '../../projections/lives.ts';
import { roleHistory } from '../../projections/roleHistory.ts';
import { roles, type RoleRow } from '../../projections/roles.ts';
import { times } from '../../projections/times.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import { ApiError } from '../domain/errors.ts';
import { RoleGraph } from '../domain/roleGraph.ts';
import { ROLE_LIMITS } from '../domain/roleTotals.ts';
import type { Event, Position, Recorded } from '../event.ts';
import type { Batch, EventStore, Revision } from '../eventStore/eventStore.ts';
import { approximateDistance, UnknownPosition } from '../eventStore/position.ts';
import { ROLES_STREAM } from '../eventStore/streams.ts';
import { holdLease } from '../readStore/lease.ts';
import { applyEvent, type Projection, tableOf } from '../projection.ts';
import type { ReadStore } from '../readStore/readStore.ts';
import { bringUpLateTables, type Table } from './lateTables.ts';
import { publishedEvents } from './publishedEvents.ts';
import { type Follower, type ReadModel, readModel } from './readModel.ts';
import { UnknownEvent } from '../eventStore/unknownEvent.ts';
import { boundedWaiters } from '../process/boundedWaiters.ts';
import { FileGone } from '../storage/watchFiles.ts';

/**
 * Rows of a table that decides on access that may wait in memory to be written by the lease holder. Beyond this, the node
 * stops following (back-pressure).
 */
const MAX_UNWRITTEN = 20_000;
/** The same of each other table. They are written apart, and what they wait for rarely holds up the follower. */
const MAX_UNWRITTEN_OF_OTHERS = 100_000;
/**
 * Rows of any table while a node starts and answers nothing yet. Large writes are faster, because rows are written in key order.
 */
const MAX_UNWRITTEN_AT_START = 200_000;
/** After this many events the checkpoint moves even if no row changed; later ones are read again after a crash. */
const MAX_EVENTS_PER_CHECKPOINT = 10_000;
/** Rows are written this long (ms) after the first change (debounce), so that many changes cost one commit. */
const WRITE_DELAY = 20;
/** A table that no decision on access needs, and that lacks more events than this, is brought up while the node serves. */
const MAX_LATE_AT_START = 10_000;
/** How long (ms) a request waits for a position. */
const WAIT_TIMEOUT = 5000;
/** How often (ms) a node that is not the writer reads the checkpoints, to shed what the tables hold. */
const SETTLE_INTERVAL = 500;
/**
 * Requests that may wait for a position at the same time, of all callers and of each. Each keeps its body in memory.
 */
const MAX_WAITERS = 500;
const MAX_WAITERS_PER_CALLER = 100;
const BEHIND = 'this node has not caught up with the log yet: try again';

/**
 * The read models of this node, including the role-expansion index, and how far they have followed the log. Those that no
 * decision on access needs may still be built after an update: reading them throws ServiceUnavailable until then.
 */
export type Projector = Readonly<ReturnType<typeof openReadModels>> & {
  /** The position of the last event in the read models. Every other node reaches it as well. */
  readonly position: Position;
  /** Whether the read models hold the position. */
  holds(position: Position): boolean;
  /** Resolves when the read models hold everything that is in the log now. Throws ServiceUnavailable after 5 s. */
  catchUp(): Promise<void>;
  /** Waits until the read models hold the position; resolves with whether they did in time (ms; default 5 s). */
  waitFor(position: Position, within?: number): Promise<boolean>;
  /**
   * The same on behalf of a caller. These waiters are counted apart, so that they take no place from this node's own.
   * Throws TooManyRequests if too many requests of the caller wait already, ServiceUnavailable if following the log
   * has ended.
   */
  waitForCaller(caller: string, position: Position): Promise<boolean>;
  /** Calls a function with the id of every role that changes from now on. */
  onRole(call: (roleId: string) => void): void;
  /** Whether this node writes the shared tables, because it holds the lease. */
  isWriter(): boolean;
  /** Resolves once all read models are complete, or the projector was stopped. */
  untilComplete: Promise<void>;
  /** Stops following the log. If this node is the writer, it writes what was applied. */
  stop(): Promise<void>;
};

/** Every projection that has a table. */
export const allProjections = [
  clients,
  roles,
  roleHistory,
  actorHistory,
  lives,
  times,
  clientScopes,
  expirations,
] as unknown as Projection<object, Event>[];

/** All read models over a read store, empty until they are loaded. */
function openReadModels(store: ReadStore, follower: Follower, maxRoleScopes = ROLE_LIMITS.scopes) {
  return {
    clients: readModel(clients, store, follower),
    roles: readModel(roles, store, follower),
    roleHistory: readModel(roleHistory, store, follower),
    actorHistory: readModel(actorHistory, store, follower),
    lives: readModel(lives, store, follower),
    times: readModel(times, store, follower),
    clientScopes: readModel(clientScopes, store, follower),
    expirations: readModel(expirations, store, follower),
    /** All roles with their expansions, as of revision `rolesRevision` of the stream `roles`. */
    roleGraph: new RoleGraph<RoleRow>({ ...ROLE_LIMITS, scopes: maxRoleScopes }),
    rolesRevision: 'none' as Revision,
  };
}

/** The tables that no decision on access needs. */
function tablesOf(models: ReturnType<typeof openReadModels>): Table[] {
  const { roleHistory: ofRoles, actorHistory: ofActors } = models;
  const pairs = [
    [roleHistory, ofRoles],
    [actorHistory, ofActors],
    [lives, models.lives],
    [times, models.times],
    [clientScopes, models.clientScopes],
    [expirations, models.expirations],
  ];
  return pairs.map(([projection, model]) => ({ projection, model })) as unknown as Table[];
}

/**
 * Follows the log until it is stopped. It applies every event to this node's read models and, while it holds the lease
 * `projections`, writes their rows to the read store. Resolves once everything in the log has been applied. Throws
 * UnknownEvent for an event that this release cannot read, UnknownPosition if the tables are of another log.
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
  const ownWaiters = boundedWaiters();
  const callerWaiters = boundedWaiters({ max: MAX_WAITERS, maxPerCaller: MAX_WAITERS_PER_CALLER });
  // Before the first batch nothing is held: only then is it certain that the tables are of this log.
  let position = '';
  let followFrom = eventStore.start;
  /** The position of the last event. `position` goes beyond it, past other applications' events in a shared log. */
  let lastEvent = eventStore.start;
  let isStarted = false;
  let failure: Error | undefined;
  let eventsSinceWrite = 0;
  const holds = (wanted: Position): boolean => wanted <= position;
  const models = openReadModels(readStore, { holds, untilHeld }, maxRoleScopes);
  const authorizing = [models.clients, models.roles] as unknown as ReadModel<object>[];
  const others = tablesOf(models);
  /** Tables that are written together. */
  type Group = { tables: ReadModel<object>[]; maxUnwritten: number; writing?: Promise<void> };
  const groups: [Group, Group] = [
    { tables: authorizing, maxUnwritten: MAX_UNWRITTEN },
    { tables: [], maxUnwritten: MAX_UNWRITTEN_OF_OTHERS },
  ];
  /** The tables that events are applied to. */
  const tables = [...authorizing];
  const roleListeners: ((roleId: string) => void)[] = [];
  const late = new Set<Table>();
  let lateProgress = 0;
  let lateFailure: Error | undefined;
  const lease = holdLease({
    readStore,
    // With the tables' versions: nodes of two releases each have their own tables written.
    name: `projections ${allProjections.map(tableOf).join(' ')}`,
    holder,
    signal: stopping.signal,
    onError: logRetry,
  });

  function logRetry(error: unknown): void {
    // Reported by whoever ends the process.
    if (error instanceof FileGone) return;
    log.warn({ err: error }, 'the read store did not answer: trying again');
  }

  /**
   * Loads the role-expansion index from its table. Returns the earliest checkpoint of the tables that are not late, to
   * follow from.
   */
  async function load(): Promise<Position> {
    const head = await eventStore.head();
    for (const table of others) {
      const checkpoint = (await table.model.checkpoint()) ?? eventStore.start;
      if (approximateDistance(checkpoint, head) > MAX_LATE_AT_START) late.add(table);
      else add(table);
    }
    const checkpoints = await Promise.all(tables.map((model) => model.checkpoint()));
    // Lookups in a table that exists cost less.
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

  function add({ model }: Table): void {
    tables.push(model);
    groups[1].tables.push(model);
  }

  /** Synchronous, so that readers see all of a batch or nothing of it. */
  function applyAll(batch: Batch): void {
    for (const event of publishedEvents(batch)) {
      for (const model of tables) model.apply(event);
      if (event.stream === ROLES_STREAM) applyToRoleGraph(event as Recorded<RoleEvent>);
    }
    followFrom = position = batch.position;
    lastEvent = batch.events.at(-1)?.position ?? lastEvent;
  }

  function applyToRoleGraph(event: Recorded<RoleEvent>): void {
    const { roleId } = event.data;
    const row = applyEvent(roles, models.roleGraph.get(roleId), event);
    if (row) models.roleGraph.set(row);
    else models.roleGraph.delete(roleId);
    models.rolesRevision = event.revision;
    for (const call of roleListeners) call(roleId);
  }

  const write = (group: Group): Promise<void> =>
    (group.writing ??= writeTables(group).finally(() => (group.writing = undefined)));
  async function writeTables(group: Group): Promise<void> {
    const upTo = position;
    eventsSinceWrite = 0;
    for (const model of group.tables) {
      if (lease.isHeld()) await model.write(upTo, lease.isHeld);
      else model.settle((await model.checkpoint()) ?? '');
    }
  }
  const unwritten = (of: Pick<Group, 'tables'>): number =>
    Math.max(0, ...of.tables.map((model) => model.unwritten));
  let writeTimer: NodeJS.Timeout | undefined;
  function scheduleWrite(): void {
    writeTimer ??= setTimeout(
      () => {
        writeTimer = undefined;
        for (const group of groups)
          write(group).then(
            () => unwritten(group) > 0 && scheduleWrite(),
            (error) => (logRetry(error), scheduleWrite()),
          );
      },
      lease.isHeld() ? WRITE_DELAY : SETTLE_INTERVAL,
    ).unref();
  }

  async function untilWritten(group: Group, signal: AbortSignal): Promise<void> {
    const isTooMuch = (): boolean =>
      unwritten(group) > (isStarted ? group.maxUnwritten : MAX_UNWRITTEN_AT_START);
    while (isTooMuch() && !signal.aborted) {
      await write(group);
      if (isTooMuch()) await sleep(100);
    }
  }

  async function follow(signal: AbortSignal): Promise<void> {
    for await (const batch of eventStore.subscribe({ after: followFrom, signal })) {
      applyAll(batch);
      ownWaiters.resolveUpTo(position);
      callerWaiters.resolveUpTo(position);
      for (const group of groups) await untilWritten(group, signal);
      eventsSinceWrite += batch.events.length;
      if (batch.live && (unwritten({ tables }) > 0 || eventsSinceWrite > MAX_EVENTS_PER_CHECKPOINT))
        scheduleWrite();
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await follow(stopping.signal);
      } catch (error) {
        const isPermanent =
          error instanceof UnknownEvent || error instanceof UnknownPosition || error instanceof FileGone;
        if (isPermanent) {
          failure = error;
          ownWaiters.close();
          callerWaiters.close();
          if (!(error instanceof FileGone)) log.fatal({ err: error }, 'the read models stopped');
          return;
        }
        log.error({ err: error }, 'following the log failed: trying again in a second');
        await sleep(1000);
      }
    }
  }

  /** Takes tables that were brought up to a position; synchronous, so that no event comes in between. */
  function join(joining: readonly Table[], upTo: Position): boolean {
    if (upTo < position) return false;
    for (const table of joining) {
      add(table);
      late.delete(table);
    }
    scheduleWrite();
    return true;
  }

  function complete<R extends object>(model: ReadModel<R>): ReadModel<R> {
    if (late.size === 0 || tables.includes(model as unknown as ReadModel<object>)) return model;
    if (lateFailure)
      throw new ApiError(
        'ServiceUnavailable',
        `the table ${model.table} cannot be built: ${lateFailure.message}`,
      );
    throw new ApiError(
      'ServiceUnavailable',
      `the table ${model.table} is being built from the log and has come to ${Math.floor(100 * lateProgress)} %: try again`,
      { retryAfter: 5 },
    );
  }

  let running: Promise<void> | undefined;
  let bringingUp: Promise<void> = Promise.resolve();
  async function start(): Promise<void> {
    followFrom = await load();
    running = run();
    const head = await eventStore.head();
    if (failure || !(await waitFor(head, Infinity))) throw failure!;
    if (lastEvent < head) lastEvent = head;
    isStarted = true;
    if (late.size > 0) {
      const onProgress = (share: number): void => void (lateProgress = Math.min(share, 0.99));
      const { signal } = stopping;
      const parts = { eventStore, readStore, log, signal, onProgress, isWriter: lease.isHeld, join };
      bringingUp = bringUpLateTables([...late], parts).catch((error: Error) => {
        lateFailure = error;
        log.error({ err: error }, 'read models cannot be built: methods that need them answer 503');
      });
    }
  }

  const waitFor = async (wanted: Position, within = WAIT_TIMEOUT): Promise<boolean> =>
    position >= wanted || ownWaiters.wait(wanted, within);

  async function waitForCaller(caller: string, wanted: Position): Promise<boolean> {
    if (position >= wanted) return true;
    if (failure) throw new ApiError('ServiceUnavailable', failure.message);
    if (!callerWaiters.isFullFor(caller)) return callerWaiters.wait(wanted, WAIT_TIMEOUT, caller);
    throw new ApiError(
      'TooManyRequests',
      `at most ${MAX_WAITERS_PER_CALLER} requests of one caller may wait for a position at the same time`,
      { retryAfter: 1 },
    );
  }

  async function untilHeld(wanted: Position): Promise<void> {
    if (!failure && (await waitFor(wanted))) return;
    throw new ApiError('ServiceUnavailable', failure?.message ?? BEHIND);
  }

  let nextCheck: Promise<void> | undefined;
  /** One read of the head for all callers that arrive before it begins. */
  async function checkHead(): Promise<void> {
    await yieldToEventLoop();
    nextCheck = undefined;
    await untilHeld(await eventStore.head());
  }

  /** Rows that cannot be written now are derived from the log again by the next writer. */
  async function stop(): Promise<void> {
    stopping.abort();
    await running;
    await bringingUp;
    clearTimeout(writeTimer);
    for (const group of groups) {
      await group.writing?.catch(logRetry);
      if (!failure && isStarted && lease.isHeld()) await writeTables(group).catch(logRetry);
    }
    await lease.release().catch(logRetry);
    ownWaiters.close();
    callerWaiters.close();
  }

  await start().catch(async (error: unknown) => {
    await stop();
    throw error;
  });

  return {
    ...models,
    get roleHistory() {
      return complete(models.roleHistory);
    },
    get actorHistory() {
      return complete(models.actorHistory);
    },
    get lives() {
      return complete(models.lives);
    },
    get times() {
      return complete(models.times);
    },
    get clientScopes() {
      return complete(models.clientScopes);
    },
    get expirations() {
      return complete(models.expirations);
    },
    untilComplete: bringingUp,
    holds,
    waitFor,
    waitForCaller,
    get rolesRevision() {
      return models.rolesRevision;
    },
    get position() {
      return lastEvent;
    },
    onRole: (call) => void roleListeners.push(call),
    catchUp: () => (nextCheck ??= checkHead()),
    isWriter: () => lease.isHeld(),
    stop,
  };
}
