import { GrantSearch, type GrantSource } from '../domain/grantSearch.ts';
import type { Position } from '../event.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import { makePaced, type Paced } from '../process/paced.ts';
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

/** Events that are read for one question, approximately. */
const MAX_LOOKED_AT = 100_000;

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
    const paced = makePaced(longWork, owner);
    let lookedAt = 0;
    // All take turns, so that one with a long history takes nothing from the others.
    for (let open = readings; open.length > 0; open = open.filter(isOpen)) {
      for (const reading of open) {
        if (lookedAt >= MAX_LOOKED_AT) return readings.map(({ search }) => search.sources());
        lookedAt += await readOn(reading, paced);
      }
    }
    return readings.map(({ search }) => search.sources());
  };
}

/** Looks at one more page, of which only one is in memory at a time; returns how many events it had. */
async function readOn(reading: Reading, paced: Paced): Promise<number> {
  const { search, pages } = reading;
  const { value: events, done } = await paced(() => pages.next());
  if (done) reading.isAtStart = true;
  // One event may have very many scopes.
  for (const event of events ?? []) {
    if (search.isDone) break;
    await paced(async () => search.lookAt(event));
  }
  return events?.length ?? 0;
}

function isOpen({ search, isAtStart }: Reading): boolean {
  return !search.isDone && !isAtStart;
}
