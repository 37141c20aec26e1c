import { type Changes, changesOf, type EntityEvent } from '../domain/changes.ts';
import type { Position, Recorded } from '../event.ts';
import { positionBefore } from '../eventStore/position.ts';
import type { Paced } from '../process/paced.ts';
import { MAX_PAGE_CHARS } from '../storage/boundedPage.ts';
import type { HistoryEntity } from './historyEntity.ts';
import {
  type HistoryCandidate,
  type HistoryParts,
  type HistorySelection,
  makeHistoryEvents,
} from './historyEvents.ts';
import { type HistorySpan, narrowToTimes } from './historySpan.ts';
import { makeValuesBefore } from './valuesBefore.ts';

/** Events that are looked at for one page. */
const MAX_LOOKED_AT = 10_000;
/** Events whose changes are found together. */
const BATCH_SIZE = 25;

/** Which events a page has, all conditions together. Times are in ms since 1970, both ends included. */
export type HistoryFilter = HistorySelection & {
  types?: readonly string[];
  since?: number;
  until?: number;
  /** A part of the log; by default all of it. */
  after?: Position;
  upTo?: Position;
};

/** An event with what it changed, and what it concerns. */
export type HistoryEntry = { event: Recorded; entity: HistoryEntity } & Changes;

/**
 * A page. `hidden` counts the entries that were left out because the caller may not read them. `last` is the position at
 * which the next page continues; undefined after the last one. `position` is up to where the log was read.
 */
export type HistoryPage = {
  entries: HistoryEntry[];
  hidden: number;
  last: Position | undefined;
  position: Position;
};

export type HistoryQuery = {
  filter: HistoryFilter;
  order: 'newest' | 'oldest';
  limit: number;
  /** The `last` of the page before. */
  continueAt?: Position;
  mayRead(entity: HistoryEntity): boolean;
};

/**
 * Makes a function that reads a page of the log's history: `limit` entries, hidden ones among them, fewer if they are
 * large or if 10,000 events were looked at. Throws ServiceUnavailable while a table that it needs is being built.
 */
export function makeHistoryPage(parts: HistoryParts) {
  const { eventStore, projector } = parts;
  const historyEvents = makeHistoryEvents(parts);
  const valuesBefore = makeValuesBefore({ eventStore, projector });

  return async function historyPage(query: HistoryQuery, paced: Paced): Promise<HistoryPage> {
    const { filter, order, limit, continueAt, mayRead } = query;
    const { position } = projector;
    const page: HistoryPage = { entries: [], hidden: 0, last: undefined, position };
    const span = await spanOf(query, position);
    if (span.after >= span.upTo) return page;
    const range = { ...span, order, ...(order === 'newest' && { before: continueAt }) };
    let lookedAt = 0;
    let chars = 0;
    let last: Position | undefined;
    const roomLeft = (): number =>
      lookedAt >= MAX_LOOKED_AT || chars > MAX_PAGE_CHARS ? 0 : limit - page.entries.length - page.hidden;

    for await (const candidates of historyEvents(filter, range, paced))
      for (let from = 0; from < candidates.length; from += BATCH_SIZE) {
        // Only when there is a next event is it certain that the page is not the last one.
        if (roomLeft() <= 0) return { ...page, last };
        const batch = candidates.slice(from, from + BATCH_SIZE);
        const taken = await take(batch);
        last = batch[taken - 1]!.position;
        if (taken < batch.length) return { ...page, last };
      }
    return page;

    /** Adds entries to the page, as far as there is room. Returns how many of the candidates were taken. */
    async function take(batch: readonly HistoryCandidate[]): Promise<number> {
      const found: { index: number; isHidden: boolean }[] = [];
      let end = 0;
      for (; end < batch.length && found.length < roomLeft(); end += 1) {
        lookedAt += 1;
        const candidate = batch[end]!;
        if (matches(candidate, filter)) found.push({ index: end, isHidden: !mayRead(candidate.entity) });
      }
      const shown = found.filter(({ isHidden }) => !isHidden).map(({ index }) => batch[index]!);
      const entries = (await entriesOf(shown)).values();
      for (const { index, isHidden } of found) {
        if (isHidden) page.hidden += 1;
        else {
          const entry = entries.next().value!;
          page.entries.push(entry);
          chars += JSON.stringify(entry).length;
        }
        if (chars > MAX_PAGE_CHARS) return index + 1;
      }
      return end;
    }

    async function entriesOf(shown: readonly HistoryCandidate[]): Promise<HistoryEntry[]> {
      const events = await paced(() => Promise.all(shown.map((candidate) => candidate.load())));
      const asked = events.map((event, i) => ({ event, entity: shown[i]!.entity }));
      const { values, looked } = await valuesBefore(asked, paced);
      lookedAt += looked;
      return asked.map(({ event, entity }) => ({
        event,
        entity,
        ...(entity.kind === 'credentials'
          ? { changes: [], scopesAdded: [], scopesRemoved: [] }
          : changesOf(event as EntityEvent, values.get(event.position)!)),
      }));
    }
  };

  async function spanOf(
    { filter: { after = eventStore.start, upTo = '~', since, until }, order, continueAt }: HistoryQuery,
    position: Position,
  ): Promise<HistorySpan> {
    const span = { after, upTo: upTo < position ? upTo : position };
    if (continueAt !== undefined && order === 'oldest') span.after = continueAt;
    if (continueAt !== undefined && order === 'newest') span.upTo = positionBefore(continueAt);
    const isTimed = since !== undefined || until !== undefined;
    return isTimed ? narrowToTimes(span, { since, until }, projector.times) : span;
  }
}

function matches(
  { at, actor, type, entity }: HistoryCandidate,
  { entity: one, kind, prefix, actor: by, types, since = -Infinity, until = Infinity }: HistoryFilter,
): boolean {
  const time = Date.parse(at);
  return (
    (by === undefined || actor === by) &&
    (types === undefined || types.includes(type)) &&
    (one === undefined || (entity.kind === one.kind && entity.id === one.id)) &&
    (kind === undefined || entity.kind === kind) &&
    (prefix === undefined || hasPrefix(entity, { prefix, kind })) &&
    time >= since &&
    time <= until
  );
}

/** Without a kind, a prefix is one of clients and roles. */
function hasPrefix(
  entity: HistoryEntity,
  { prefix, kind }: { prefix: string; kind: string | undefined },
): boolean {
  return entity.id.startsWith(prefix) && (kind !== undefined || entity.kind !== 'credentials');
}
