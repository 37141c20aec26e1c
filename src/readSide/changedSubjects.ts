import { entityOf } from '../../projections/auditEntry.ts';
import { clientExpiring, expirationPrefix } from '../../projections/expirations.ts';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import type { ScopeRange } from '../domain/holders.ts';
import { grantingScope } from '../domain/roleDefinition.ts';
import { sortedTexts } from '../domain/sortedTexts.ts';
import type { TimeSliced } from '../domain/timeSliced.ts';
import type { WorkBudget } from '../domain/workBudget.ts';
import type { Position, Recorded } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { approximateDistance } from '../eventStore/position.ts';
import { isAuthStream } from '../eventStore/streams.ts';
import type { LongWork, WorkFor } from '../process/longWork.ts';
import type { Paced } from '../process/paced.ts';
import { clientsGiven, INDEX_SIZES } from './clientsGiven.ts';
import { compareIds } from './compareIds.ts';
import { livesAt } from './livesAt.ts';
import type { Moment } from './moments.ts';
import type { Projector } from './projector.ts';

/** A client or a role. */
export type Subject = { kind: 'client' | 'role'; id: string };

/** Up to so many events, the clients and roles that they concern are looked for; beyond, all are compared. */
const MAX_EVENTS = 10_000;
/** The same for the roles that the events affect, and for the clients. */
const MAX_ROLES = 500;
const MAX_CLIENTS = 20_000;
/** The same for the roles whose granting scopes grant one of these, too. They are looked up in one turn. */
const MAX_GRANTING = 20_000;
/** The same for the characters of all scopes that grant one of these. */
const MAX_CHARACTERS = 2_000_000;
/** Rows in one read. */
const PAGE_SIZE = 500;
/** A unit of work for so many characters. */
const CHARACTERS_PER_UNIT = 64;

type Parts = {
  projector: Pick<Projector, 'position' | 'lives' | 'roleGraph'> & {
    [table in 'clientScopes' | 'expirations']: Pick<Projector[table], 'list'>;
  };
  eventStore: Pick<EventStore, 'subscribe'>;
  longWork: LongWork;
  owner: WorkFor;
  paced: Paced;
};
type Question = { from: Moment; to: Moment; after?: Subject | undefined; maxEvents?: number | undefined };

/** Ids of clients and roles, and the position up to which the log was read for them. */
type Changed = Record<Subject['kind'], Set<string>> & { read: Position };

/**
 * The clients, then the roles, whose effective scopes may differ between two moments, in byte order of their ids, some at
 * a time, after a given one. Others may be among them.
 */
export async function* changedSubjects(parts: Parts, question: Question): AsyncGenerator<Subject[]> {
  const { after } = question;
  const found = await affectedSince(parts, question);
  for (const kind of ['client', 'role'] as const) {
    if (kind === 'client' && after?.kind === 'role') continue;
    if (!found) yield* all(kind);
    else {
      const ids = idsAfter(after?.kind === kind ? after.id : undefined, found[kind]).sort(compareIds);
      yield ids.map((id) => ({ kind, id }));
    }
  }

  async function* all(kind: Subject['kind']): AsyncGenerator<Subject[]> {
    const { lives, position } = parts.projector;
    const pages = livesAt(lives, { of: kind, after: after?.kind === kind ? after.id : undefined }, position);
    for (;;) {
      const { value, done } = await parts.paced(() => pages.next());
      if (done) return;
      yield value.map(({ id }) => ({ kind, id }));
    }
  }
}

function idsAfter(after: string | undefined, ids: Iterable<string>): string[] {
  return after === undefined ? [...ids] : [...ids].filter((id) => compareIds(id, after) > 0);
}

/**
 * Those that events after a position affect, and those that expired between the two moments, which no event says;
 * undefined if they are too many to be looked for.
 */
async function affectedSince(
  parts: Parts,
  { from: { position: from, time }, to, after, maxEvents = MAX_EVENTS }: Question,
): Promise<Changed | undefined> {
  const { roleGraph } = parts.projector;
  const changed: Changed = { client: new Set(), role: new Set(), read: from };
  // Until nothing comes in between, because the roles of the present are looked at below.
  for (;;) {
    const upTo = parts.projector.position;
    if (approximateDistance(from, upTo) > maxEvents) return undefined;
    if (changed.read >= upTo) break;
    const more = await changesAfter({ after: changed.read, upTo }, parts);
    if (more.read <= changed.read) return undefined;
    changed.read = more.read;
    for (const kind of ['client', 'role'] as const) for (const id of more[kind]) changed[kind].add(id);
  }
  // A role that is unchanged grants the same roles as now, and the others are among the changed ones anyway.
  const roles = roleGraph.reaching(changed.role, MAX_ROLES);
  const role = roles && withGranting(roles, roleGraph);
  if (!role) return undefined;
  if (after?.kind === 'role') return { ...changed, role };
  const client = await clientsGranted(roles, after?.id, parts);
  if (!client) return undefined;
  for (const id of changed.client) client.add(id);
  const isWhole = await addExpiring(client, [time, to.time], parts);
  return isWhole ? { client, role, read: changed.read } : undefined;
}

/**
 * Adds the clients that were ever to expire between two times, which may be in either order, as times may run backwards.
 * Returns false if they are too many.
 */
async function addExpiring(
  clients: Set<string>,
  times: readonly [Date, Date],
  { projector, paced }: Parts,
): Promise<boolean> {
  const [first, last] = times.map(expirationPrefix).sort() as [string, string];
  if (first === last) return true;
  let after: string | undefined = first;
  do {
    const from: string = after;
    const page = await paced(() => projector.expirations.list({ after: from, limit: PAGE_SIZE }));
    for (const { key } of page.rows) {
      if (key >= last) return true;
      clients.add(clientExpiring(key));
    }
    if (clients.size > MAX_CLIENTS) return false;
    after = page.last;
  } while (after !== undefined);
  return true;
}

/** The clients and roles that events concern, after a position and up to another, or to the end of the log. */
async function changesAfter(
  { after, upTo }: { after: Position; upTo: Position },
  { eventStore, paced }: Pick<Parts, 'eventStore' | 'paced'>,
): Promise<Changed> {
  const changed: Changed = { client: new Set(), role: new Set(), read: after };
  const done = new AbortController();
  const batches = eventStore.subscribe({ after, signal: done.signal })[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { value, done: isDone } = await paced(() => batches.next());
      if (isDone) return changed;
      const { events, position, live } = value;
      for (const event of events.filter(({ stream }) => isAuthStream(stream))) {
        const { entityType, entityId } = entityOf((event as Recorded<ClientEvent | RoleEvent>).data);
        changed[entityType].add(entityId);
      }
      changed.read = position;
      if (live || position >= upTo) return changed;
    }
  } finally {
    done.abort();
    await batches.return?.();
  }
}

/**
 * These roles, and those whose granting scopes grant one of them, too: what a role expands to begins with its granting
 * scope. Undefined if they are too many.
 */
function withGranting(
  roleIds: ReadonlySet<string>,
  roleGraph: Projector['roleGraph'],
): Set<string> | undefined {
  const all = new Set(roleIds);
  let visited = 0;
  for (const roleId of roleIds) {
    const others = roleGraph.idsGranting(roleId);
    if ((visited += others.length) > MAX_GRANTING) return undefined;
    for (const other of others) all.add(other);
  }
  return all;
}

/** The clients after one that were ever given a scope that grants one of these roles; undefined if they are too many. */
async function clientsGranted(
  roleIds: ReadonlySet<string>,
  after: string | undefined,
  { projector, longWork, owner, paced }: Parts,
): Promise<Set<string> | undefined> {
  const clients = new Set<string>();
  const ranges = await longWork.run(owner, (work) => rangesGranting(roleIds, work));
  if (!ranges) return undefined;
  const given = await clientsGiven(
    { sources: [ranges], after, wanted: PAGE_SIZE },
    { table: projector.clientScopes, paced, sizes: { ...INDEX_SIZES, kept: MAX_CLIENTS } },
  );
  if (!given) return undefined;
  let isWhole = false;
  for await (const { ids, upTo } of given) {
    for (const id of ids) clients.add(id);
    if (clients.size > MAX_CLIENTS) return undefined;
    isWhole = upTo === undefined;
  }
  return isWhole ? clients : undefined;
}

/** The scopes that grant one of these roles, in order; undefined if they are too many. */
function* rangesGranting(roleIds: Iterable<string>, work: WorkBudget): TimeSliced<ScopeRange[] | undefined> {
  const starting = new Set<string>();
  const equal = new Set<string>();
  let characters = 0;
  for (const roleId of roleIds) {
    const scope = grantingScope(roleId);
    const text = roleId.endsWith('*') ? scope.slice(0, -1) : scope;
    // Every scope that begins with it, for a role whose id ends in a star.
    (text === scope ? equal : starting).add(text);
    for (let length = text.length; length >= 0; length -= 1) {
      const starred = `${text.slice(0, length)}*`;
      // Those of a beginning that was seen before were added with it.
      if (equal.has(starred)) break;
      equal.add(starred);
      if ((characters += length) > MAX_CHARACTERS) return undefined;
      if (work.spendUnlimited(1 + Math.floor(length / CHARACTERS_PER_UNIT))) yield;
    }
  }
  const ranges: ScopeRange[] = [];
  for (const text of yield* sortedTexts([...new Set([...equal, ...starting])], work)) {
    if (work.spendUnlimited()) yield;
    const last = ranges.at(-1);
    // What a prefix covers follows it directly.
    if (last?.isPrefix && text.startsWith(last.text)) continue;
    ranges.push({ text, isPrefix: starting.has(text) });
  }
  return ranges;
}
