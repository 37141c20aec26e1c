import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { type ClientRow, clients } from '../../projections/clients.ts';
import { lifePrefix } from '../../projections/lives.ts';
import { rolePrefix } from '../../projections/roleHistory.ts';
import type { RoleRow } from '../../projections/roles.ts';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import { FormerRoles } from '../domain/formerRoles.ts';
import type { GrantPattern } from '../domain/grantPattern.ts';
import type { RoleDefinition } from '../domain/roleDefinition.ts';
import { RoleIndex } from '../domain/roleIndex.ts';
import type { Position, Recorded } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { clientStream } from '../eventStore/streams.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import { fold } from '../projection.ts';
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
/** The most time (ms) that one batch is charged for. Anything longer was spent waiting for a store. */
const MAX_CHARGE = 10;

/** Clients and roles as they were at a moment, computed from the log within a caller's share of the time. */
export type FormerStates = (moment: Moment, owner: WorkFor) => State;

type Parts = { projector: Projector; eventStore: Pick<EventStore, 'read'>; longWork: LongWork };

/**
 * States of the past. Roles that were read stay in memory for the next question about the same moment, under one limit
 * for all moments.
 */
export function makeFormerStates(parts: Parts): FormerStates {
  const { projector, eventStore, longWork } = parts;
  const cache = new LRUCache<Position, FormerRoles<RoleRow>>({
    maxSize: MAX_BYTES,
    sizeCalculation: ({ bytes }) => bytes,
  });
  const everRoles = makeEverRoles(projector);

  return (moment, owner) => {
    const { position } = moment;

    /** Does work in batches, within the caller's share of the time. */
    async function inBatches<T, R>(all: readonly T[], work: (each: T) => Promise<R>): Promise<R[]> {
      const results: R[] = [];
      for (let from = 0; from < all.length; from += BATCH_SIZE) {
        await longWork.untilReady(owner);
        const began = performance.now();
        results.push(...(await Promise.all(all.slice(from, from + BATCH_SIZE).map(work))));
        longWork.charge(owner, Math.min(performance.now() - began, MAX_CHARGE));
        await yieldToEventLoop();
      }
      return results;
    }

    async function client(clientId: string): Promise<ClientRow | undefined> {
      const present = await projector.clients.row(clientId);
      const hasNotChanged = present.position !== '' && present.position <= position;
      if (hasNotChanged) return present.value;
      let row: ClientRow | undefined;
      for (let fromRevision = 0; ;) {
        await longWork.untilReady(owner);
        const page = await eventStore.read(clientStream(clientId), { fromRevision, limit: PAGE_SIZE });
        const events = page.events.filter((event) => event.position <= position);
        row = fold(clients, row, events as Recorded<ClientEvent>[]);
        fromRevision += page.events.length;
        if (events.length < page.events.length || page.revision === 'none' || fromRevision > page.revision)
          return row;
      }
    }

    async function clientPage({
      limit,
      ...range
    }: {
      prefix?: string;
      after?: string;
      limit: number;
    }): Promise<ClientPage> {
      const ids: string[] = [];
      let lookedAt = 0;
      const pageUpTo = async (last: string | undefined): Promise<ClientPage> => {
        const rows = await inBatches(ids, async (key) => ({ key, value: await client(key), position }));
        return { rows: rows as ClientPage['rows'], last };
      };
      for await (const lives of livesAt(projector.lives, { of: 'client', ...range }, position)) {
        for (const { id, created } of lives) {
          if (created !== undefined) ids.push(id);
          lookedAt += 1;
          if (ids.length === limit || lookedAt === MAX_LOOKED_AT) return pageUpTo(id);
        }
        await longWork.untilReady(owner);
      }
      return pageUpTo(undefined);
    }

    /** A role; its creation is looked up unless it is known. */
    async function role(roleId: string, created?: string): Promise<RoleRow | undefined> {
      const prefix = rolePrefix(roleId);
      const last = await projector.roleHistory.lastUpTo({ prefix, key: prefix + position });
      if (!last || last.value.type === 'RoleDeleted') return undefined;
      const { type, data, metadata } = last.value;
      const { description, scopes } = data;
      if (type === 'RoleCreated') {
        const { created: since = metadata.at, lastModified = metadata.at } = data.imported ?? {};
        return { roleId, description, scopes, created: since, lastModified };
      }
      const since = created ?? (await creationOf(roleId)) ?? metadata.at;
      return { roleId, description, scopes, created: since, lastModified: metadata.at };
    }

    async function creationOf(roleId: string): Promise<string | undefined> {
      const prefix = lifePrefix({ entityType: 'role', entityId: roleId });
      return (await projector.lives.lastUpTo({ prefix, key: prefix + position }))?.value.created;
    }

    async function load(roles: FormerRoles<RoleRow>, lives: readonly Life[]): Promise<void> {
      const rows = await inBatches(lives, ({ id, created }) => role(id, created));
      for (const [i, row] of rows.entries()) {
        if (row) roles.add(row, bytesInMemory(row));
        else roles.addAbsent(lives[i]!.id);
      }
    }

    return {
      moment,
      client,
      clients: clientPage,
      lastUsed: async ({ created }) => created,
      role,
      async rolesReachedBy(scopes) {
        const roles = cache.get(position) ?? new FormerRoles<RoleRow>();
        const candidates = await everRoles();
        for (;;) {
          const missing = await longWork.run(owner, (work) => roles.missing(scopes, candidates, work));
          if (missing.size === 0) break;
          await load(
            roles,
            [...missing].map((id) => ({ id })),
          );
        }
        cache.set(position, roles);
        return roles;
      },
      async allRoles() {
        const known = cache.get(position);
        if (known?.isWhole) return known;
        const roles = new FormerRoles<RoleRow>();
        for await (const lives of livesAt(projector.lives, { of: 'role' }, position))
          await load(
            roles,
            lives.filter(({ created }) => created !== undefined),
          );
        roles.isWhole = true;
        cache.set(position, roles);
        return roles;
      },
    };
  };
}

/** Makes a function that returns how to find the ids of all roles that there ever were. They are loaded once. */
function makeEverRoles(projector: Projector): () => Promise<(pattern: GrantPattern) => string[]> {
  let loading: Promise<RoleIndex<RoleDefinition>> | undefined;

  async function load(): Promise<RoleIndex<RoleDefinition>> {
    const index = new RoleIndex<RoleDefinition>();
    const add = (roleId: string): void => void (index.get(roleId) ?? index.set({ roleId, scopes: [] }));
    const lives = projector.lives;
    // Before reading, so that none is missed that is created meanwhile.
    projector.onRole(add);
    for await (const some of livesAt(lives, { of: 'role' }, '')) for (const { id } of some) add(id);
    return index;
  }

  return async () => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    const index = await loading;
    return (pattern) => index.idsMatching(pattern);
  };
}
