import { type Changes, changesOf, type EntityEvent, type EntityValues } from '../domain/changes.ts';
import type { Position, Recorded } from '../event.ts';
import { positionBefore } from '../eventStore/position.ts';
import type { Paced } from '../process/paced.ts';
import { MAX_PAGE_CHARS } from '../storage/boundedPage.ts';
import { bytesInMemory } from './bytesInMemory.ts';
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
/** A batch ends early when its events take so much memory (bytes, estimated). */
const BATCH_BYTES = 512 * 1024;

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
 * A page. `hidden` counts the events that the caller may not read in the part of the log that was looked at, whatever else
 * is asked for, so that it tells nothing of them. `last` is the position at which the next page continues; undefined after
 * the last one. `position` is up to where the log was read.
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
  /** Whether the caller may read all that is selected. */
  mayReadAll(selection: HistorySelection): boolean;
};

/**
 * Makes a function that reads a page of the log's history: `limit` entries, fewer if they are large or if 10,000 events
 * were looked at. Throws ServiceUnavailable while a table that it needs is being built.
 */
export function makeHistoryPage(parts: HistoryParts) {
  const { eventStore, projector } = parts;
  const historyEvents = makeHistoryEvents(parts);
  const valuesBefore = makeValuesBefore({ eventStore, projector });

  return async function historyPage(query: HistoryQuery, paced: Paced): Promise<HistoryPage> {
    const { filter, order, limit, continueAt, mayRead, mayReadAll } = query;
    const { upTo = '~' } = filter;
    const position = upTo < projector.position ? upTo : projector.position;
    const page: HistoryPage = { entries: [], hidden: 0, last: undefined, position };
    const span = await spanOf(query, position);
    if (span.after >= span.upTo) return page;
    const range = { ...span, order, ...(order === 'newest' && { before: continueAt }) };
    // Where others' events are in the list that is read, it is the whole log: its length tells nothing of an actor.
    const readsAll = mayReadAll(filter);
    const selection = {
      entity: filter.entity,
      prefix: filter.prefix,
      kind: readsAll ? filter.kind : undefined,
      actor: mayReadAll({}) ? filter.actor : undefined,
    };
    let lookedAt = 0;
    let chars = 0;
    let last: Position | undefined;
    const isFull = (): boolean =>
      lookedAt >= MAX_LOOKED_AT || chars > MAX_PAGE_CHARS || page.entries.length >= limit;

    for await (const candidates of historyEvents(selection, range, paced))
      for (let from = 0; from < candidates.length;) {
        // Only when there is a next event is it certain that the page is not the last one.
        if (isFull()) return { ...page, last };
        from += await take(candidates.slice(from, from + BATCH_SIZE));
        last = candidates[from - 1]!.position;
      }
    return page;

    /** Adds entries to the page, as far as there is room. Returns how many of the candidates were taken. */
    async function take(batch: readonly HistoryCandidate[]): Promise<number> {
      const found: HistoryCandidate[] = [];
      const room = limit - page.entries.length;
      let end = 0;
      for (; end < batch.length && found.length < room; end += 1) {
        const candidate = batch[end]!;
        if (mayRead(candidate.entity) && matches(candidate, filter)) found.push(candidate);
      }
      const added = await addEntries(found);
      const taken = added < found.length ? batch.indexOf(found[added]!) : end;
      lookedAt += taken;
      if (!readsAll)
        page.hidden += batch
          .slice(0, taken)
          .filter((each) => !mayRead(each.entity) && isInTime(each, filter)).length;
      return taken;
    }

    /** Adds the first of these to the page: at least one, and not many large ones. Returns how many. */
    async function addEntries(found: readonly HistoryCandidate[]): Promise<number> {
      const asked: { event: Recorded; entity: HistoryEntity }[] = [];
      let bytes = 0;
      for (const { entity, load } of found) {
        if (bytes > BATCH_BYTES) break;
        const event = await paced(load);
        bytes += bytesInMemory(event.data);
        asked.push({ event, entity });
      }
      const { values, looked } = await valuesBefore(asked, { paced, enough: MAX_LOOKED_AT - lookedAt });
      lookedAt += looked;
      let added = 0;
      for (const each of asked) {
        const before = values.get(each.event.position);
        if (!before || chars > MAX_PAGE_CHARS) break;
        await paced(async () => {
          const entry = entryOf(each, before);
          page.entries.push(entry);
          chars += JSON.stringify(entry).length;
        });
        added += 1;
      }
      return added;
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

function entryOf(
  { event, entity }: { event: Recorded; entity: HistoryEntity },
  before: EntityValues,
): HistoryEntry {
  const changes =
    entity.kind === 'credentials'
      ? { changes: [], scopesAdded: [], scopesRemoved: [] }
      : changesOf(event as EntityEvent, before);
  return { event, entity, ...changes };
}

function isInTime({ at }: HistoryCandidate, { since = -Infinity, until = Infinity }: HistoryFilter): boolean {
  const time = Date.parse(at);
  return time >= since && time <= until;
}

function matches(candidate: HistoryCandidate, filter: HistoryFilter): boolean {
  const { actor, type, entity } = candidate;
  const { entity: one, kind, prefix, actor: by, types } = filter;
  return (
    (by === undefined || actor === by) &&
    (types === undefined || types.includes(type)) &&
    (one === undefined || (entity.kind === one.kind && entity.id === one.id)) &&
    (kind === undefined || entity.kind === kind) &&
    (prefix === undefined || hasPrefix(entity, { prefix, kind })) &&
    isInTime(candidate, filter)
  );
}

/** Without a kind, a prefix is one of clients and roles. */
function hasPrefix(
  entity: HistoryEntity,
  { prefix, kind }: { prefix: string; kind: string | undefined },
): boolean {
  return entity.id.startsWith(prefix) && (kind !== undefined || entity.kind !== 'credentials');
}
