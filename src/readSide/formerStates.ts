import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { type ClientRow, clients } from '../../projections/clients.ts';
import { lifePrefix } from '../../projections/lives.ts';
import { type RoleHistoryRow, rolePrefix } from '../../projections/roleHistory.ts';
import { roles, type RoleRow } from '../../projections/roles.ts';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import { FormerRoles } from '../domain/formerRoles.ts';
import type { GrantPattern } from '../domain/grantPattern.ts';
import type { RoleDefinition } from '../domain/roleDefinition.ts';
import { ExpansionTooLarge } from '../domain/workBudget.ts';
import type { RoleScopes } from '../domain/roleScopes.ts';
import { RoleIndex } from '../domain/roleIndex.ts';
import type { Recorded } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { clientStream, ROLES_STREAM } from '../eventStore/streams.ts';
import { boundedMutex } from '../process/boundedMutex.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import { makePacedTogether } from '../process/pacedTogether.ts';
import { MAX_PAGE_CHARS } from '../storage/boundedPage.ts';
import { applyEvent, fold } from '../projection.ts';
import { bytesInMemory } from './bytesInMemory.ts';
import { makeFormerCache } from './formerCache.ts';
import { type Life, livesAt } from './livesAt.ts';
import type { Moment } from './moments.ts';
import type { Projector } from './projector.ts';
import type { ClientPage, State } from './state.ts';

/** Bytes, approximately, of the roles and clients of all moments that are kept in memory. */
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

/** Clients and roles as they were at a moment, computed from the log within a caller's share of the time. */
export type FormerStates = (moment: Moment, owner: WorkFor) => FormerState;

/** The state at a moment, whose roles never change. */
export type FormerState = State & {
  moment: Moment;
  rolesReachedBy(scopes: readonly string[]): Promise<FormerRoles<RoleDefinition>>;
};

type WantedPage = Parameters<State['clients']>[0];

type Parts = {
  projector: Projector;
  eventStore: Pick<EventStore, 'readUpTo'>;
  longWork: LongWork;
  /** Bytes, approximately, of what is kept. */
  maxBytes?: number;
};

/**
 * States of the past. Roles and clients that were read stay in memory for the next question about the same moment, under
 * one limit for all moments.
 */
export function makeFormerStates(parts: Parts): FormerStates {
  const { projector, eventStore, longWork, maxBytes = MAX_BYTES } = parts;
  const cache = makeFormerCache(maxBytes);
  const everRoles = makeEverRoles(projector);
  const paced = makePacedTogether(longWork);
  // One after the other, so that many requests of one caller for different moments take the memory of one.
  const runExclusive = boundedMutex({ max: MAX_WAITING, about: 'the past' });

  return (moment, owner) => {
    const { position } = moment;

    async function inBatch<T, R>(all: readonly T[], work: (each: T) => Promise<R>): Promise<R[]> {
      const results = await Promise.all(all.map(work));
      await yieldToEventLoop();
      return results;
    }

    async function client(clientId: string): Promise<ClientRow | undefined> {
      const known = cache.client(position, clientId);
      if (known) return known;
      const present = await paced(owner, () => projector.clients.row(clientId));
      const hasNotChanged = present.position !== '' && present.position <= position;
      if (hasNotChanged) return present.value;
      const row = await foldedClient(clientId);
      if (row) cache.keepClient(position, row);
      return row;
    }

    async function foldedClient(clientId: string): Promise<ClientRow | undefined> {
      const stream = clientStream(clientId);
      let row: ClientRow | undefined;
      for (let fromRevision = 0; ;) {
        const from = { upTo: position, fromRevision, limit: PAGE_SIZE };
        const { events, reachesEnd } = await paced(owner, () => eventStore.readUpTo(stream, from));
        row = fold(clients, row, events as Recorded<ClientEvent>[]);
        if (reachesEnd) return row;
        fromRevision += events.length;
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
      const last = await lastEventOf(roleId);
      if (last?.type !== 'RoleUpdated') return last && roleAfter(last, undefined);
      return roleAfter(last, created ?? (await creationOf(roleId)));
    }

    /** A role as far as expansion is concerned, for which its creation need not be looked up. */
    async function roleDefinition(roleId: string): Promise<RoleDefinition | undefined> {
      const last = await lastEventOf(roleId);
      return last && 'scopes' in last.data ? { roleId, scopes: last.data.scopes } : undefined;
    }

    async function lastEventOf(roleId: string): Promise<RoleHistoryRow | undefined> {
      const prefix = rolePrefix(roleId);
      return (await projector.roleHistory.lastUpTo({ prefix, key: prefix + position }))?.value;
    }

    async function creationOf(roleId: string): Promise<string | undefined> {
      const prefix = lifePrefix({ entityType: 'role', entityId: roleId });
      return (await projector.lives.lastUpTo({ prefix, key: prefix + position }))?.value.created;
    }

    async function load<R extends RoleDefinition>(
      into: FormerRoles<R>,
      lives: readonly Life[],
      read: (life: Life) => Promise<R | undefined>,
    ): Promise<void> {
      for (const some of chunksOf(lives)) {
        const found = await inBatch(some, (life) => paced(owner, () => read(life)));
        for (const [i, each] of found.entries()) {
          if (each) into.add(each, bytesInMemory(each));
          else into.addAbsent(some[i]!.id);
        }
      }
    }

    async function loadReached(scopes: readonly string[]): Promise<FormerRoles<RoleDefinition>> {
      const known = cache.roles(position) ?? new FormerRoles();
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
            ({ id }) => roleDefinition(id),
          );
        }
      } catch (error) {
        // Whoever expands them is told so for the entries that are too large, not for all of a list.
        if (error instanceof ExpansionTooLarge) return loadAll();
        throw error;
      }
      if (!whole()) cache.keepRoles(position, known);
      return known;
    }

    function whole(): FormerRoles<RoleRow> | undefined {
      const known = cache.roles(position);
      return known?.isWhole ? (known as FormerRoles<RoleRow>) : undefined;
    }

    async function loadAll(): Promise<FormerRoles<RoleRow>> {
      const known = whole();
      if (known) return known;
      const all = new FormerRoles<RoleRow>();
      for await (const lives of livesAt(projector.lives, { of: 'role' }, position))
        await load(
          all,
          lives.filter(({ created }) => created !== undefined),
          ({ id, created }) => role(id, created),
        );
      all.isWhole = true;
      cache.keepRoles(position, all);
      return all;
    }

    async function roleScopes(): Promise<RoleScopes> {
      const known = cache.roleScopes(position);
      if (known) return known;
      const all = whole() ?? (await runExclusive(owner.caller, loadAll));
      const scopes = await longWork.run(owner, (work) => all.scopes(work));
      cache.keepRoleScopes(position, { scopes, bytes: all.scopesBytes });
      return scopes;
    }

    return {
      moment,
      client,
      clients: clientPage,
      lastUsed: async ({ created }) => created,
      role: (roleId) => role(roleId),
      rolesReachedBy: async (scopes) => whole() ?? runExclusive(owner.caller, () => loadReached(scopes)),
      allRoles: async () => whole() ?? runExclusive(owner.caller, loadAll),
      roleScopes,
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
