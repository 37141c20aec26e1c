import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { type ClientRow, clients } from '../../projections/clients.ts';
import { lifePrefix } from '../../projections/lives.ts';
import { type RoleHistoryRow, rolePrefix } from '../../projections/roleHistory.ts';
import { roles, type RoleRow } from '../../projections/roles.ts';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import { ApiError } from '../domain/errors.ts';
import { FormerRoles } from '../domain/formerRoles.ts';
import type { GrantPattern } from '../domain/grantPattern.ts';
import type { RoleDefinition } from '../domain/roleDefinition.ts';
import { ExpansionTooLarge } from '../domain/workBudget.ts';
import { RoleIndex } from '../domain/roleIndex.ts';
import type { Position, Recorded } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { clientStream, ROLES_STREAM } from '../eventStore/streams.ts';
import { keyedMutex } from '../process/keyedMutex.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import { MAX_PAGE_CHARS } from '../storage/boundedPage.ts';
import { applyEvent, fold } from '../projection.ts';
import { bytesInMemory } from './bytesInMemory.ts';
import { type Life, livesAt } from './livesAt.ts';
import type { Moment } from './moments.ts';
import type { Projector } from './projector.ts';
import type { ClientPage, State } from './state.ts';

/** Bytes, approximately, of the roles of all moments that are kept in memory. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Rows or streams that are read at a time. */
const BATCH_SIZE = 32;
/** Events in one read of a stream. */
const PAGE_SIZE = 500;
/** Clients that are looked at for one page, which may be short because most of them were not there. */
const MAX_LOOKED_AT = 10_000;
/** Requests of one caller that may wait for roles of the past. Each keeps its body in memory. */
const MAX_WAITING = 32;
/** Characters of the ids of all roles that there ever were, up to which they are kept; and what an id takes besides. */
const MAX_EVER_CHARACTERS = 16 * 1024 * 1024;
const CHARACTERS_AROUND = 100;
/** The most time (ms) that one batch is charged for. Anything longer was spent waiting for a store. */
const MAX_CHARGE = 10;

/** Clients and roles as they were at a moment, computed from the log within a caller's share of the time. */
export type FormerStates = (moment: Moment, owner: WorkFor) => FormerState;

/** The state at a moment, whose roles never change. */
export type FormerState = State & {
  moment: Moment;
  rolesReachedBy(scopes: readonly string[]): Promise<FormerRoles<RoleRow>>;
};

type WantedPage = Parameters<State['clients']>[0];

type Parts = {
  projector: Projector;
  eventStore: Pick<EventStore, 'read'>;
  longWork: LongWork;
  /** Bytes, approximately, of roles that are kept. */
  maxBytes?: number;
};

/**
 * States of the past. Roles that were read stay in memory for the next question about the same moment, under one limit
 * for all moments.
 */
export function makeFormerStates(parts: Parts): FormerStates {
  const { projector, eventStore, longWork, maxBytes = MAX_BYTES } = parts;
  const cache = new LRUCache<Position, FormerRoles<RoleRow>>({
    maxSize: maxBytes,
    sizeCalculation: ({ bytes }) => bytes,
  });
  const everRoles = makeEverRoles(projector);
  /** One caller's reads of streams are each in a turn of the event loop of their own: some stores read synchronously. */
  const inTurn = keyedMutex();
  const runExclusive = boundedMutex();

  return (moment, owner) => {
    const { position } = moment;

    /** Does some work at the same time, within the caller's share of the time. */
    async function inBatch<T, R>(all: readonly T[], work: (each: T) => Promise<R>): Promise<R[]> {
      await longWork.untilReady(owner);
      const began = performance.now();
      const results = await Promise.all(all.map(work));
      longWork.charge(owner, Math.min(performance.now() - began, MAX_CHARGE));
      await yieldToEventLoop();
      return results;
    }

    async function client(clientId: string): Promise<ClientRow | undefined> {
      const present = await projector.clients.row(clientId);
      const hasNotChanged = present.position !== '' && present.position <= position;
      if (hasNotChanged) return present.value;
      let row: ClientRow | undefined;
      for (let fromRevision = 0; ;) {
        await longWork.untilReady(owner);
        await inTurn(owner.caller, () => yieldToEventLoop());
        const began = performance.now();
        const page = await eventStore.read(clientStream(clientId), { fromRevision, limit: PAGE_SIZE });
        const events = page.events.filter((event) => event.position <= position);
        row = fold(clients, row, events as Recorded<ClientEvent>[]);
        longWork.charge(owner, Math.min(performance.now() - began, MAX_CHARGE));
        fromRevision += page.events.length;
        if (events.length < page.events.length || page.revision === 'none' || fromRevision > page.revision)
          return row;
      }
    }

    async function clientPage({ limit, ...range }: WantedPage): Promise<ClientPage> {
      const rows: ClientPage['rows'] = [];
      let [size, lookedAt] = [0, 0];
      for await (const lives of livesAt(projector.lives, { of: 'client', ...range }, position)) {
        for (const some of chunksOf(lives)) {
          const ids = some.flatMap(({ id, created }) => (created === undefined ? [] : [id]));
          const wanted = ids.slice(0, limit - rows.length);
          for (const value of await inBatch(wanted, client)) {
            if (!value) continue;
            size += JSON.stringify(value).length;
            if (size > MAX_PAGE_CHARS && rows.length > 0) return { rows, last: rows.at(-1)!.key };
            rows.push({ key: value.clientId, value, position });
          }
          if (rows.length >= limit) return { rows, last: wanted.at(-1) };
          if ((lookedAt += some.length) >= MAX_LOOKED_AT) return { rows, last: some.at(-1)!.id };
        }
      }
      return { rows, last: undefined };
    }

    /** A role; its creation is looked up unless it is known. */
    async function role(roleId: string, created?: string): Promise<RoleRow | undefined> {
      const prefix = rolePrefix(roleId);
      const last = await projector.roleHistory.lastUpTo({ prefix, key: prefix + position });
      if (last?.value.type !== 'RoleUpdated') return last && roleAfter(last.value, undefined);
      return roleAfter(last.value, created ?? (await creationOf(roleId)));
    }

    async function creationOf(roleId: string): Promise<string | undefined> {
      const prefix = lifePrefix({ entityType: 'role', entityId: roleId });
      return (await projector.lives.lastUpTo({ prefix, key: prefix + position }))?.value.created;
    }

    async function load(into: FormerRoles<RoleRow>, lives: readonly Life[]): Promise<void> {
      for (const some of chunksOf(lives)) {
        const rows = await inBatch(some, ({ id, created }) => role(id, created));
        for (const [i, row] of rows.entries()) {
          if (row) into.add(row, bytesInMemory(row));
          else into.addAbsent(some[i]!.id);
        }
      }
    }

    async function loadReached(scopes: readonly string[]): Promise<FormerRoles<RoleRow>> {
      const known = cache.get(position) ?? new FormerRoles<RoleRow>();
      const candidates = await everRoles();
      if (!candidates) return loadAll();
      const following = known.follow(scopes);
      try {
        for (;;) {
          const missing = await longWork.run(owner, (work) => known.missing(following, candidates, work));
          if (missing.size === 0) break;
          await load(
            known,
            [...missing].map((id) => ({ id })),
          );
        }
      } catch (error) {
        // Whoever expands them is told so for the entries that are too large, not for all of a list.
        if (error instanceof ExpansionTooLarge) return loadAll();
        throw error;
      }
      if (!whole()) keep(known);
      return known;
    }

    function whole(): FormerRoles<RoleRow> | undefined {
      const known = cache.get(position);
      return known?.isWhole ? known : undefined;
    }

    async function loadAll(): Promise<FormerRoles<RoleRow>> {
      const known = whole();
      if (known) return known;
      const all = new FormerRoles<RoleRow>();
      for await (const lives of livesAt(projector.lives, { of: 'role' }, position))
        await load(
          all,
          lives.filter(({ created }) => created !== undefined),
        );
      all.isWhole = true;
      keep(all);
      return all;
    }

    function keep(known: FormerRoles<RoleRow>): void {
      // Setting the same value again would not count what it has grown by.
      cache.delete(position);
      cache.set(position, known);
    }

    return {
      moment,
      client,
      clients: clientPage,
      lastUsed: async ({ created }) => created,
      role: (roleId) => role(roleId),
      // One after the other, so that many requests of one caller for different moments take the memory of one.
      rolesReachedBy: async (scopes) => whole() ?? runExclusive(owner.caller, () => loadReached(scopes)),
      allRoles: async () => whole() ?? runExclusive(owner.caller, loadAll),
      async roleScopes() {
        const all = whole() ?? (await runExclusive(owner.caller, loadAll));
        const scopes = await longWork.run(owner, (work) => all.scopes(work));
        keep(all);
        return scopes;
      },
    };
  };
}

/** Lists of at most BATCH_SIZE elements. */
function* chunksOf<T>(all: readonly T[]): Generator<T[]> {
  for (let from = 0; from < all.length; from += BATCH_SIZE) yield all.slice(from, from + BATCH_SIZE);
}

/** A role after its last event, created at a time; undefined if that event deleted it. */
function roleAfter(event: RoleHistoryRow, created: string | undefined): RoleRow | undefined {
  const row = created === undefined ? undefined : { ...NO_ROLE, created };
  return applyEvent(roles, row, { ...event, stream: ROLES_STREAM } as Recorded<RoleEvent>);
}

/** What RoleUpdated replaces all of, except the time of the creation. */
const NO_ROLE: RoleRow = { roleId: '', description: '', scopes: [], created: '', lastModified: '' };

/** Like `keyedMutex`, with so many jobs of one caller at most. Throws TooManyRequests beyond. */
function boundedMutex() {
  const runExclusive = keyedMutex();
  const counts = new Map<string, number>();
  return async function run<T>(caller: string, job: () => Promise<T>): Promise<T> {
    const count = counts.get(caller) ?? 0;
    if (count >= MAX_WAITING)
      throw new ApiError(
        'TooManyRequests',
        `at most ${MAX_WAITING} requests of one caller about the past may wait at the same time`,
        { limit: MAX_WAITING, retryAfter: 1 },
      );
    counts.set(caller, count + 1);
    try {
      return await runExclusive(caller, job);
    } finally {
      const left = counts.get(caller)! - 1;
      if (left > 0) counts.set(caller, left);
      else counts.delete(caller);
    }
  };
}

/**
 * Makes a function that returns how to find the ids of all roles that there ever were; undefined if they are too many to
 * be kept. They are loaded once.
 */
function makeEverRoles(
  projector: Projector,
): () => Promise<((pattern: GrantPattern) => string[]) | undefined> {
  let index = new RoleIndex<RoleDefinition>();
  let characters = 0;
  let isListening = false;
  let loading: Promise<void> | undefined;
  const isTooLarge = (): boolean => characters > MAX_EVER_CHARACTERS;

  function add(roleId: string): void {
    if (isTooLarge() || index.get(roleId)) return;
    index.set({ roleId, scopes: [] });
    characters += roleId.length + CHARACTERS_AROUND;
    if (isTooLarge()) index = new RoleIndex();
  }

  async function load(): Promise<void> {
    for await (const some of livesAt(projector.lives, { of: 'role' }, '')) for (const { id } of some) add(id);
  }

  return async () => {
    // Before reading, so that none is missed that is created meanwhile.
    if (!isListening) projector.onRole(add);
    isListening = true;
    await (loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw error;
    }));
    return isTooLarge() ? undefined : (pattern) => index.idsMatching(pattern);
  };
}
