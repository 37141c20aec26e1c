import { entityOf } from '../../projections/auditEntry.ts';
import { ANY_OF_MANY, scopePrefix } from '../../projections/clientScopes.ts';
import type { ClientEvent } from '../../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../../schemas/events/roleEvents.ts';
import { grantingScope } from '../domain/roleDefinition.ts';
import type { Position, Recorded } from '../event.ts';
import type { EventStore } from '../eventStore/eventStore.ts';
import { approximateDistance } from '../eventStore/position.ts';
import { isAuthStream } from '../eventStore/streams.ts';
import { compareIds } from './compareIds.ts';
import { livesAt } from './livesAt.ts';
import type { Projector } from './projector.ts';

/** A client or a role. */
export type Subject = { kind: 'client' | 'role'; id: string };

/** Up to so many events, the clients and roles that they concern are looked for; beyond, all are compared. */
const MAX_EVENTS = 10_000;
/** The same for the roles that the events affect, and for the clients. */
const MAX_ROLES = 500;
const MAX_CLIENTS = 20_000;
/** Rows in one read. */
const PAGE_SIZE = 500;

type Parts = {
  projector: Pick<Projector, 'position' | 'lives' | 'clientScopes' | 'roleGraph'>;
  eventStore: Pick<EventStore, 'subscribe'>;
};

/**
 * The clients, then the roles, whose effective scopes may have changed by events after a position, in byte order of their
 * ids, some at a time, after a given one. Others may be among them.
 */
export async function* changedSubjects(
  parts: Parts,
  { from, after, maxEvents = MAX_EVENTS }: { from: Position; after?: Subject; maxEvents?: number },
): AsyncGenerator<Subject[]> {
  const found = await affectedSince(parts, { from, maxEvents });
  for (const kind of ['client', 'role'] as const) {
    if (kind === 'client' && after?.kind === 'role') continue;
    const id = after?.kind === kind ? after.id : undefined;
    if (found) {
      const ids = [...found[kind]].filter((each) => id === undefined || compareIds(each, id) > 0);
      yield ids.sort(compareIds).map((each) => ({ kind, id: each }));
    } else {
      for await (const lives of livesAt(parts.projector.lives, { of: kind, after: id }, from))
        yield lives.map((life) => ({ kind, id: life.id }));
    }
  }
}

/** Those that events after a position affect; undefined if these are too many to be looked for. */
async function affectedSince(
  { projector, eventStore }: Parts,
  { from, maxEvents }: { from: Position; maxEvents: number },
): Promise<Record<Subject['kind'], Set<string>> | undefined> {
  const { position: upTo } = projector;
  if (approximateDistance(from, upTo) > maxEvents) return undefined;
  const changed = { client: new Set<string>(), role: new Set<string>() };
  const done = new AbortController();
  // A role that is unchanged grants the same roles as now, and the others are among the changed ones anyway.
  for await (const { events, position, live } of eventStore.subscribe({ after: from, signal: done.signal })) {
    for (const event of events.filter(({ stream }) => isAuthStream(stream))) {
      const { entityType, entityId } = entityOf((event as Recorded<ClientEvent | RoleEvent>).data);
      changed[entityType].add(entityId);
    }
    if (live || position >= upTo) done.abort();
  }
  const roles = projector.roleGraph.reaching(changed.role, MAX_ROLES);
  if (!roles) return undefined;
  const clients = await clientsGranted(projector.clientScopes, roles);
  if (!clients) return undefined;
  for (const id of changed.client) clients.add(id);
  // What a role expands to begins with its granting scope, which may grant others, too.
  for (const id of [...roles]) for (const other of projector.roleGraph.idsGranting(id)) roles.add(other);
  return { client: clients, role: roles };
}

/** The clients that were ever given a scope that grants one of these roles; undefined if they are too many. */
async function clientsGranted(
  clientScopes: Projector['clientScopes'],
  roleIds: Iterable<string>,
): Promise<Set<string> | undefined> {
  const prefixes = new Set([scopePrefix(ANY_OF_MANY)]);
  for (const roleId of roleIds) {
    const scope = grantingScope(roleId);
    const text = roleId.endsWith('*') ? scope.slice(0, -1) : scope;
    // Every scope that begins with it, for a role whose id ends in a star.
    prefixes.add(roleId.endsWith('*') ? text : scopePrefix(scope));
    for (let length = 0; length <= text.length; length += 1)
      prefixes.add(scopePrefix(`${text.slice(0, length)}*`));
  }
  const clients = new Set<string>();
  for (const prefix of prefixes) {
    let after: string | undefined;
    do {
      const page = await clientScopes.list({ prefix, after, limit: PAGE_SIZE });
      for (const { value } of page.rows) clients.add(value.clientId);
      if (clients.size > MAX_CLIENTS) return undefined;
      after = page.last;
    } while (after !== undefined);
  }
  return clients;
}
