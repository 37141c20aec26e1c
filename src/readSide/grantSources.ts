import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { rolePrefix } from '../../projections/roleHistory.ts';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import { GrantSearch, type GrantSource } from '../domain/grantSearch.ts';
import type { Position, Recorded } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { clientStream } from '../eventStore/streams.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import type { Projector } from './projector.ts';

/** Own scopes of a client or role. */
export type OwnScopes = { entityType: 'client' | 'role'; entityId: string; scopes: ReadonlySet<string> };

/**
 * Finds the events that added own scopes of clients and roles, as they were at a position: for each client or role, its
 * sources by scope. Those that lie too far back are left out.
 */
export type GrantSources = (
  wanted: readonly OwnScopes[],
  upTo: Position,
  owner: WorkFor,
) => Promise<Map<string, GrantSource>[]>;

/** Clients and roles whose events are read at a time. */
const BATCH_SIZE = 32;
/** Events in the first read of a client or role. Most have few; each further read is larger. */
const FIRST_PAGE = 8;
const GROWTH = 4;
const MAX_PAGE = 500;
/** Events that are read for one question, approximately. */
const MAX_LOOKED_AT = 100_000;
/** The most time (ms) that one batch is charged for. Anything longer was spent waiting for a store. */
const MAX_CHARGE = 10;

type Parts = {
  projector: Pick<Projector, 'roleHistory'>;
  eventStore: Pick<EventStore, 'readBackwards'>;
  longWork: LongWork;
};

/** A search with its way through the events of one client or role. */
type Reading = { search: GrantSearch; readOn(limit: number): Promise<number>; isAtStart: boolean };

/** Makes the search for sources, which reads backwards, only as far as needed, within the asker's share of the time. */
export function makeGrantSources({ projector, eventStore, longWork }: Parts): GrantSources {
  return async (wanted, upTo, owner) => {
    const readings = wanted.map((each) => (each.entityType === 'role' ? ofRole(each) : ofClient(each)));
    let open = readings;
    let lookedAt = 0;
    for (let limit = FIRST_PAGE; open.length > 0; limit = Math.min(limit * GROWTH, MAX_PAGE)) {
      for (let from = 0; from < open.length && lookedAt < MAX_LOOKED_AT; from += BATCH_SIZE) {
        await longWork.untilReady(owner);
        const began = performance.now();
        const counts = await Promise.all(
          open.slice(from, from + BATCH_SIZE).map((reading) => reading.readOn(limit)),
        );
        longWork.charge(owner, Math.min(performance.now() - began, MAX_CHARGE));
        for (const count of counts) lookedAt += count;
        await yieldToEventLoop();
      }
      if (lookedAt >= MAX_LOOKED_AT) break;
      open = open.filter(({ search, isAtStart }) => !search.isDone && !isAtStart);
    }
    return readings.map(({ search }) => search.sources());

    function ofRole({ entityId, scopes }: OwnScopes): Reading {
      const prefix = rolePrefix(entityId);
      // The least key beyond that of the position itself.
      let before: string | undefined = `${prefix}${upTo}\0`;
      const reading: Reading = { search: new GrantSearch(scopes), readOn, isAtStart: false };
      return reading;

      async function readOn(limit: number): Promise<number> {
        const { rows, last } = await projector.roleHistory.list({ prefix, before, limit, descending: true });
        for (const { value } of rows) reading.search.lookAt(value);
        before = last;
        reading.isAtStart = last === undefined;
        return rows.length;
      }
    }

    function ofClient({ entityId, scopes }: OwnScopes): Reading {
      let beforeRevision: number | undefined;
      const reading: Reading = { search: new GrantSearch(scopes), readOn, isAtStart: false };
      return reading;

      async function readOn(limit: number): Promise<number> {
        const stream = clientStream(entityId);
        const { events, reachesStart } = await eventStore.readBackwards(stream, { beforeRevision, limit });
        for (const event of events)
          if (event.position <= upTo) reading.search.lookAt(event as Recorded<ClientEvent>);
        beforeRevision = events.at(-1)?.revision ?? beforeRevision;
        reading.isAtStart = reachesStart;
        return events.length;
      }
    }
  };
}
