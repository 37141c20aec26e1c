import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { GrantSearch, type GrantSource } from '../domain/grantSearch.ts';
import type { Position } from '../event.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import type { Subject } from './changedSubjects.ts';
import { holderEvents } from './holderEvents.ts';

/** Own scopes of a client or role. */
export type OwnScopes = Subject & { scopes: ReadonlySet<string> };

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
/** Events that are read for one question, approximately. */
const MAX_LOOKED_AT = 100_000;
/** The most time (ms) that one batch is charged for. Anything longer was spent waiting for a store. */
const MAX_CHARGE = 10;

type Parts = Parameters<typeof holderEvents>[0] & { longWork: LongWork };

/** A search with the events that it looks at, page by page. */
type Reading = { search: GrantSearch; pages: ReturnType<typeof holderEvents>; isAtStart: boolean };

/** Makes the search for sources, which reads backwards, only as far as needed, within the asker's share of the time. */
export function makeGrantSources({ longWork, ...parts }: Parts): GrantSources {
  return async (wanted, upTo, owner) => {
    const readings: Reading[] = wanted.map(({ scopes, ...subject }) => ({
      search: new GrantSearch(scopes),
      pages: holderEvents(parts, subject, upTo),
      isAtStart: false,
    }));
    let lookedAt = 0;
    let isFirst = true;
    // All take turns, so that one with a long history takes nothing from the others.
    for (let open = readings; open.length > 0; open = open.filter(isOpen)) {
      for (let from = 0; from < open.length; from += BATCH_SIZE) {
        if (lookedAt >= MAX_LOOKED_AT) return readings.map(({ search }) => search.sources());
        const batch = open.slice(from, from + BATCH_SIZE);
        // As the first slice of long work, the first batch is free: mostly, it is all.
        const counts = isFirst ? await readOnAll(batch) : await readOnCharged(batch);
        for (const count of counts) lookedAt += count;
        isFirst = false;
      }
    }
    return readings.map(({ search }) => search.sources());

    async function readOnCharged(batch: readonly Reading[]): Promise<number[]> {
      await longWork.untilReady(owner);
      const began = performance.now();
      const counts = await readOnAll(batch);
      longWork.charge(owner, Math.min(performance.now() - began, MAX_CHARGE));
      await yieldToEventLoop();
      return counts;
    }
  };
}

function readOnAll(batch: readonly Reading[]): Promise<number[]> {
  return Promise.all(batch.map(readOn));
}

/** Looks at one more page; returns how many events it had. */
async function readOn(reading: Reading): Promise<number> {
  const { value: events, done } = await reading.pages.next();
  if (done) reading.isAtStart = true;
  for (const event of events ?? []) reading.search.lookAt(event);
  return events?.length ?? 0;
}

function isOpen({ search, isAtStart }: Reading): boolean {
  return !search.isDone && !isAtStart;
}
