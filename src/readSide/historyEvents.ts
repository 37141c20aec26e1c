import {
  actorKeyBefore,
  type ActorHistoryRow,
  actorPrefix,
  type BriefEntry,
  credentialsPrefix,
} from '../../projections/actorHistory.ts';
import { typeOfAction } from '../../projections/auditEntry.ts';
import { type RoleHistoryRow, rolePrefix } from '../../projections/roleHistory.ts';
import type { Position, Recorded } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { clientStream, credentialsStream, ROLES_STREAM } from '../eventStore/streams.ts';
import type { Paced } from '../process/paced.ts';
import { type HistoryEntity, historyEntityOf } from './historyEntity.ts';
import { type HistorySpan, isWithin } from './historySpan.ts';
import { type Life, livesAt } from './livesAt.ts';
import type { Projector } from './projector.ts';

/** Events in one read. */
const PAGE_SIZE = 250;
/** Rows of an actor's history in one read, each with about 100 events. */
const ACTOR_ROWS = 3;
/** How many events to read first, of which each further read takes more, and how to pace that. */
type Reading = { first: number; pace: Paced };
/** For those that are merged: of most, few events are needed, and their reads are paced together. */
const AMONG_MANY: Reading = { first: 1, pace: (step) => step() };
/** Merged sources are only read once others have no events before theirs. Few are then needed without the one after. */
const FIRST_LATER = 2;
/** Events that are merged at a time: with more, streams would be read for events that the page has no room for. */
const MERGED_AT_ONCE = 25;
const GROWTH = 4;
/** So many of them are first read at a time: an event can be large. */
const BATCH_SIZE = 4;
/** So many clients, and so many roles, with a prefix are read one by one, and merged. */
const MAX_MERGED = 1000;

/** What is known of an event before it is read. */
export type HistoryCandidate = {
  position: Position;
  at: string;
  actor: string;
  type: string;
  entity: HistoryEntity;
  /** The event itself. */
  load(): Promise<Recorded>;
};

/** Which events to read. Filters beyond these are the reader's. */
export type HistorySelection = {
  entity?: HistoryEntity;
  kind?: HistoryEntity['kind'];
  prefix?: string;
  actor?: string;
};

/** The part of the log to read, and the order of the events. `before` is the position of the event after `upTo`, if known. */
export type HistoryRange = HistorySpan & { order: 'newest' | 'oldest'; before?: Position };

type Candidates = AsyncGenerator<HistoryCandidate[], void, undefined>;
export type HistoryParts = {
  eventStore: Pick<
    EventStore,
    'start' | 'read' | 'readBackwards' | 'readLogBackwards' | 'subscribe' | 'head' | 'eventAt'
  >;
  projector: Pick<Projector, 'clients' | 'roleHistory' | 'actorHistory' | 'lives' | 'times' | 'position'>;
};

/**
 * The events of a part of the log among which all selected ones are, in order, some at a time, read from where there are
 * fewest others among them. Throws ServiceUnavailable while a table that it needs is being built.
 */
export function makeHistoryEvents({ eventStore, projector }: HistoryParts) {
  return async function* historyEvents(
    selection: HistorySelection,
    range: HistoryRange,
    paced: Paced,
  ): Candidates {
    const { entity, kind, prefix, actor } = selection;
    const alone: Reading = { first: PAGE_SIZE, pace: paced };
    if (entity) return yield* eventsOf(entity, alone);
    if (actor !== undefined) return yield* eventsBy(actor);
    if (prefix !== undefined && kind !== 'credentials') {
      const sources = await sourcesWith(prefix, kind);
      if (sources) return yield* merged(sources);
    }
    if (kind === 'role') return yield* eventsOfStream(ROLES_STREAM, alone);
    return yield* range.order === 'newest' ? logBackwards() : logForwards();

    function eventsOf({ kind: of, id }: HistoryEntity, reading: Reading): Candidates {
      if (of === 'role') return eventsOfRole(id, reading);
      return eventsOfStream(of === 'client' ? clientStream(id) : credentialsStream(id), reading);
    }

    /** Those of the events that are in the range. */
    function within(events: readonly Recorded[]): HistoryCandidate[] {
      return events.filter(({ position }) => isWithin(range, position)).flatMap(candidateOf);
    }

    function eventsOfStream(stream: string, reading: Reading): Candidates {
      return range.order === 'newest' ? streamBackwards(stream, reading) : streamForwards(stream, reading);
    }

    async function* streamBackwards(stream: string, { first, pace }: Reading): Candidates {
      let beforeRevision: number | undefined;
      for (let limit = first; ; limit = Math.min(limit * GROWTH, PAGE_SIZE)) {
        const isFirst = beforeRevision === undefined;
        const page = await pace(() => eventStore.readBackwards(stream, { beforeRevision, limit }));
        const oldest = page.events.at(-1);
        if (!oldest) return;
        yield within(page.events);
        if (page.reachesStart || oldest.position <= range.after) return;
        beforeRevision =
          isFirst && oldest.position > range.upTo
            ? await countUpTo(range.upTo, { stream, length: oldest.revision })
            : oldest.revision;
      }
    }

    async function* streamForwards(stream: string, { first, pace }: Reading): Candidates {
      let fromRevision = 0;
      for (let limit = first; ; limit = Math.min(limit * GROWTH, PAGE_SIZE)) {
        const isFirst = fromRevision === 0;
        const { events, revision } = await pace(() => eventStore.read(stream, { fromRevision, limit }));
        const newest = events.at(-1);
        if (!newest || revision === 'none') return;
        yield within(events);
        if (newest.revision >= revision || newest.position >= range.upTo) return;
        fromRevision =
          isFirst && newest.position < range.after
            ? await countUpTo(range.after, { stream, length: revision + 1 })
            : newest.revision + 1;
      }
    }

    /** How many of the first `length` events of a stream are up to a position. */
    async function countUpTo(
      position: Position,
      { stream, length }: { stream: string; length: number },
    ): Promise<number> {
      let [low, high] = [0, length];
      while (low < high) {
        const middle = (low + high) >>> 1;
        const { events } = await paced(() => eventStore.read(stream, { fromRevision: middle, limit: 1 }));
        if (events[0] && events[0].position <= position) low = middle + 1;
        else high = middle;
      }
      return low;
    }

    async function* eventsOfRole(roleId: string, { first, pace }: Reading): Candidates {
      const ofRole = rolePrefix(roleId);
      const { roleHistory } = projector;
      let limit = first;
      let key: string | undefined =
        range.order === 'newest' ? `${ofRole}${range.upTo}~` : ofRole + range.after;
      while (key !== undefined) {
        const from: string = key;
        const { rows, last } = await pace(() =>
          roleHistory.list(
            range.order === 'newest'
              ? { prefix: ofRole, limit, descending: true, before: from }
              : { prefix: ofRole, limit, after: from },
          ),
        );
        yield within(rows.map(({ value }) => eventOfRow(value)));
        limit = Math.min(limit * GROWTH, PAGE_SIZE);
        const reached = last?.slice(ofRole.length);
        key = reached !== undefined && isWithin(range, reached) ? last : undefined;
      }
    }

    function eventsBy(by: string): Candidates {
      const changes = entriesOf(by, actorPrefix(by));
      const credentials = entriesOf(by, credentialsPrefix(by));
      if (kind === undefined && prefix === undefined)
        return merged([{ candidates: changes }, { candidates: credentials }]);
      return kind === 'credentials' ? credentials : changes;
    }

    async function* entriesOf(by: string, ofActor: string): Candidates {
      const { actorHistory } = projector;
      const { order, after, upTo } = range;
      // Ranges sort before the positions within them.
      let key: string | undefined =
        order === 'newest' ? `${ofActor}${upTo}~` : actorKeyBefore(ofActor, after);
      while (key !== undefined) {
        const from: string = key;
        const { rows, last } = await paced(() =>
          actorHistory.list(
            order === 'newest'
              ? { prefix: ofActor, limit: ACTOR_ROWS, descending: true, before: from }
              : { prefix: ofActor, limit: ACTOR_ROWS, after: from },
          ),
        );
        const candidates = rows.flatMap(({ key: rowKey, value }) =>
          candidatesOfRow(by, { rangeKey: rowKey.slice(ofActor.length), row: value }),
        );
        yield candidates.filter(({ position }) => isWithin(range, position));
        const isBeyond = last !== undefined && isRangeBeyond(last.slice(ofActor.length));
        key = isBeyond ? undefined : last;
      }
    }

    function isRangeBeyond(rangeKey: string): boolean {
      return range.order === 'newest' ? `${rangeKey}~` <= range.after : rangeKey > range.upTo;
    }

    function candidatesOfRow(
      by: string,
      { rangeKey, row }: { rangeKey: string; row: ActorHistoryRow },
    ): HistoryCandidate[] {
      const candidates = row.entries.map((entry) => candidateOfBrief(by, { entry, rangeKey }));
      return range.order === 'newest' ? candidates.reverse() : candidates;
    }

    function candidateOfBrief(
      by: string,
      { entry, rangeKey }: { entry: BriefEntry; rangeKey: string },
    ): HistoryCandidate {
      const [actionType, at, kind, id, endOfPosition, revision] = entry;
      const position = rangeKey + endOfPosition;
      const type = kind === 'credentials' ? 'CredentialsIssued' : typeOfAction(kind, actionType)!;
      const load = async (): Promise<Recorded> => {
        if (kind === 'role') return eventOfRow((await projector.roleHistory.get(rolePrefix(id) + position))!);
        const stream = kind === 'client' ? clientStream(id) : credentialsStream(id);
        return (await eventStore.read(stream, { fromRevision: revision, limit: 1 })).events[0]!;
      };
      return { position, at, actor: by, type, entity: { kind, id }, load };
    }

    /** What to merge for a prefix; undefined if it is one of so many clients that the log is rather read. */
    async function sourcesWith(
      idPrefix: string,
      of: HistoryEntity['kind'] | undefined,
    ): Promise<Source[] | undefined> {
      const ofClients = of === 'role' ? [] : await livesWith(idPrefix, 'client');
      if (!ofClients) return undefined;
      const ofRoles = of === 'client' ? [] : await livesWith(idPrefix, 'role');
      const all: Source[] = [];
      const newest = ofClients.length > 0 ? await newestOf(ofClients, idPrefix) : undefined;
      for (const { id } of ofClients) {
        const begin = newest?.get(id);
        const reading = begin === undefined ? AMONG_MANY : { ...AMONG_MANY, first: FIRST_LATER };
        all.push({ candidates: eventsOf({ kind: 'client', id }, reading), begin });
      }
      for (const { id } of ofRoles ?? [])
        all.push({ candidates: eventsOf({ kind: 'role', id }, AMONG_MANY) });
      if (!ofRoles)
        all.push({ candidates: eventsOfStream(ROLES_STREAM, { ...AMONG_MANY, first: PAGE_SIZE }) });
      return all;
    }

    /** All clients, or roles, that there ever were with a prefix; undefined if they are too many. */
    async function livesWith(idPrefix: string, of: 'client' | 'role'): Promise<Life[] | undefined> {
      const all: Life[] = [];
      let readsLeft = 6;
      for await (const lives of livesAt(projector.lives, { of, prefix: idPrefix }, range.upTo)) {
        for (const life of lives) all.push(life);
        readsLeft -= 1;
        if (all.length > MAX_MERGED || readsLeft === 0) return undefined;
      }
      return all;
    }

    /**
     * Positions after which clients have no events in the range, as far as that is known without reading their streams:
     * that of the end of those that were gone by then, else that of the present row, unless it is later. Those that came
     * later have none.
     */
    async function newestOf(lives: readonly Life[], idPrefix: string): Promise<Map<string, Position>> {
      const newest = new Map<string, Position>();
      // Rows hold all events up to here, and perhaps later ones.
      if (range.order === 'oldest' || range.upTo > projector.position) return newest;
      const ended = new Set<string>();
      for (const { id, created, at } of lives)
        if (created === undefined) {
          ended.add(id);
          newest.set(id, at ?? range.after);
        }
      let after: string | undefined;
      do {
        const from = after;
        const page = await paced(() =>
          projector.clients.list({ prefix: idPrefix, after: from, limit: PAGE_SIZE }),
        );
        for (const { key, position } of page.rows)
          if (!ended.has(key) && position < range.upTo) newest.set(key, position);
        after = page.last;
      } while (after !== undefined);
      return newest;
    }

    async function* merged(sources: readonly Source[]): Candidates {
      const isAfter = (one: Position, other: Position): boolean =>
        range.order === 'newest' ? one < other : one > other;
      /** In the opposite order of their next events. */
      const open: Open[] = [];
      const put = (source: Candidates, batch: HistoryCandidate[] | undefined): void => {
        if (batch) insert({ source, batch, index: 0, next: batch[0]!.position }, { into: open, isAfter });
      };
      const unknown: Candidates[] = [];
      for (const { candidates, begin } of sources) {
        if (begin === undefined) unknown.push(candidates);
        else insert({ source: candidates, batch: [], index: 0, next: begin }, { into: open, isAfter });
      }
      for (let from = 0; from < unknown.length; from += BATCH_SIZE) {
        const some = unknown.slice(from, from + BATCH_SIZE);
        const batches = await paced(() => Promise.all(some.map(nextBatch)));
        for (const [i, batch] of batches.entries()) put(some[i]!, batch);
      }
      while (open.length > 0) {
        const batch: HistoryCandidate[] = [];
        while (open.length > 0 && batch.length < MERGED_AT_ONCE) {
          const next = open.pop()!;
          const candidate = next.batch[next.index];
          if (candidate) batch.push(candidate);
          next.index += 1;
          const following = next.batch[next.index];
          if (following) insert({ ...next, next: following.position }, { into: open, isAfter });
          else put(next.source, await paced(() => nextBatch(next.source)));
        }
        yield batch;
      }
    }

    async function* logBackwards(): Candidates {
      let before = range.before ?? (await firstAfter(range.upTo));
      for (;;) {
        const from = before;
        const page = await paced(() => eventStore.readLogBackwards({ before: from, limit: PAGE_SIZE }));
        const oldest = page.events.at(-1);
        if (!oldest) return;
        yield within(page.events);
        if (page.reachesStart || oldest.position <= range.after) return;
        before = oldest.position;
      }
    }

    /** The position of the first event after a position; undefined if there is none. */
    async function firstAfter(position: Position): Promise<Position | undefined> {
      if ((await eventStore.head()) <= position) return undefined;
      const done = new AbortController();
      try {
        for await (const { events, live } of eventStore.subscribe({ after: position, signal: done.signal }))
          if (events[0] || live) return events[0]?.position;
      } finally {
        done.abort();
      }
      return undefined;
    }

    async function* logForwards(): Candidates {
      const { after, upTo } = range;
      if (after >= upTo) return;
      const done = new AbortController();
      const batches = eventStore.subscribe({ after, signal: done.signal })[Symbol.asyncIterator]();
      try {
        for (;;) {
          const { value, done: isDone } = await paced(() => batches.next());
          if (isDone) return;
          yield within(value.events);
          if (value.live || value.position >= upTo) return;
        }
      } finally {
        done.abort();
        await batches.return?.();
      }
    }
  };
}

/** What is merged. It has no events before `begin` in their order, if that is known. */
type Source = { candidates: Candidates; begin?: Position | undefined };
/** A source with the events that were read of it, and the position before which it has no further ones in their order. */
type Open = { source: Candidates; batch: HistoryCandidate[]; index: number; next: Position };

function insert(
  one: Open,
  { into, isAfter }: { into: Open[]; isAfter(one: Position, other: Position): boolean },
): void {
  let [low, high] = [0, into.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAfter(into[middle]!.next, one.next)) low = middle + 1;
    else high = middle;
  }
  into.splice(low, 0, one);
}

/** The next batch that is not empty. */
async function nextBatch(source: Candidates): Promise<HistoryCandidate[] | undefined> {
  for (;;) {
    const { value, done } = await source.next();
    if (done) return undefined;
    if (value.length > 0) return value;
  }
}

function eventOfRow(row: RoleHistoryRow): Recorded {
  return { ...row, stream: ROLES_STREAM };
}

function candidateOf(event: Recorded): HistoryCandidate[] {
  const entity = historyEntityOf(event);
  if (!entity) return [];
  const { position, type, metadata } = event;
  return [{ position, at: metadata.at, actor: metadata.actor, type, entity, load: async () => event }];
}
