import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { type ClientRow, clients } from '../projections/clients.ts';
import { roles, type RoleRow } from '../projections/roles.ts';
import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import { RoleGraph } from '../src/domain/roleGraph.ts';
import type { Event, Position, Recorded } from '../src/event.ts';
import type { EventStore } from '../src/eventStore/eventStore.ts';
import { clientStream, ROLES_STREAM } from '../src/eventStore/streams.ts';
import { applyEvent } from '../src/projection.ts';
import { anyRoles, forwardingRoles } from './domain/anyRoles.ts';
import { roleChecks } from './roleChecks.ts';

/** What happens to a client: whatever its state allows, it is created if there is none. */
export type ClientStep = {
  clientId: string;
  does: 'update' | 'update without scopes' | 'enable' | 'disable' | 'reset' | 'delete' | 'expire';
  scopes: string[];
  isImported: boolean;
  /** The minute in which it expires, where the step says anything on that; null for long after all steps. */
  expires: number | null;
};
/** What happens to a role: it is created or updated, or deleted where `scopes` is null. */
export type RoleHistoryStep = { roleId: string; scopes: string[] | null; isImported: boolean };

/** One change, at a time (minutes after some moment) that may be before that of an earlier one. */
export type HistoryStep = (ClientStep | RoleHistoryStep) & { minute: number; held: string[] };

/**
 * Changes of few clients and roles: stars, parameters, chains, cycles as imports bring them, several lives, all that
 * happens to a client. `held` are scopes to expand at some moment.
 */
export function anyHistory(maxLength: number): fc.Arbitrary<HistoryStep[]> {
  const roleStep = fc.oneof(anyRoles(), forwardingRoles());
  const isImported = fc.constantFrom(false, false, true);
  const client = fc
    .record({
      clientId: fc.constantFrom('a', 'a/b', 'ab', 'b', 'b!', 'b|+'),
      does: fc.constantFrom<ClientStep['does']>(
        ...(['update', 'update without scopes', 'enable', 'disable', 'reset', 'delete', 'expire'] as const),
      ),
      role: roleStep,
      isImported,
      expires: fc.option(fc.integer({ min: 5, max: 35 }), { freq: 3 }),
    })
    .map(({ role: { held }, ...step }) => ({ ...step, scopes: held, held }));
  const role = fc
    .record({ role: roleStep, isImported })
    .map(({ role: { roleId, scopes, held }, ...step }) => ({ ...step, roleId, scopes, held }));
  const step = fc.oneof({ weight: 2, arbitrary: role }, { weight: 1, arbitrary: client });
  return fc.array(
    fc.tuple(step, fc.nat(30)).map(([each, minute]) => ({ ...each, minute })),
    { maxLength, size: 'max' },
  );
}

/** Clients and roles, by id. */
export type PlainState = { clients: Map<string, ClientRow>; roles: Map<string, RoleRow> };

/** The state at a position, folded from all events up to it: the oracle of all that is told of the past. */
export function plainStateAt(log: readonly Recorded[], position: Position): PlainState {
  const state: PlainState = { clients: new Map(), roles: new Map() };
  for (const event of log) if (event.position <= position) applyPlainly(state, event);
  return state;
}

function applyPlainly(state: PlainState, event: Recorded): void {
  const { clientId, roleId } = event.data as { clientId?: string; roleId?: string };
  if (clientId !== undefined) {
    const row = applyEvent(clients, state.clients.get(clientId), event as Recorded<ClientEvent>);
    if (row) state.clients.set(clientId, row);
    else state.clients.delete(clientId);
  } else if (roleId !== undefined) {
    const row = applyEvent(roles, state.roles.get(roleId), event as Recorded<RoleEvent>);
    if (row) state.roles.set(roleId, row);
    else state.roles.delete(roleId);
  }
}

/** Time zero of histories. */
const SINCE = Date.parse('2026-01-01T00:00:00Z');
const timeOf = (minute: number): string => new Date(SINCE + minute * 60_000).toJSON();
const credential = () => ({ id: randomUUID(), fingerprint: '0123456789abcdef' });
const EARLIER = { created: '2020-01-01T00:00:00.000Z', lastModified: '2020-02-01T00:00:00.000Z' };

/**
 * Writes the events of a history to a log, and keeps what it wrote. A step that is not possible, or that would make an
 * expansion endless, writes nothing.
 */
export function historyWriter(eventStore: EventStore) {
  const log: Recorded[] = [];
  const state: PlainState = { clients: new Map(), roles: new Map() };
  const graph = new RoleGraph<RoleRow>();

  async function write(step: HistoryStep): Promise<Recorded | undefined> {
    const event = 'roleId' in step ? roleEvent(step) : clientEvent(step);
    if (!event) return undefined;
    const stream = 'roleId' in step ? ROLES_STREAM : clientStream(step.clientId);
    const { position } = await eventStore.append(
      [{ stream, expectedRevision: 'any', events: [{ ...event, id: randomUUID() }] }],
      {
        actor: 'a test',
        at: timeOf(step.minute),
        requestId: randomUUID(),
      },
    );
    const recorded = (await eventStore.eventAt(position))!;
    log.push(recorded);
    applyPlainly(state, recorded);
    return recorded;
  }

  function roleEvent({ roleId, scopes, isImported }: RoleHistoryStep): Event | undefined {
    const present = state.roles.get(roleId);
    if (scopes === null) {
      graph.delete(roleId);
      return present && { type: 'RoleDeleted', data: { roleId } };
    }
    if (roleChecks(graph).unboundedCycleThrough({ roleId, scopes })) return undefined;
    const description = `the ${log.length}th`;
    graph.set({ roleId, scopes, description, created: '', lastModified: '' });
    const data = { roleId, description, scopes };
    if (present) return { type: 'RoleUpdated', data };
    return { type: 'RoleCreated', data: { ...data, ...(isImported && { imported: EARLIER }) } };
  }

  function clientEvent({ clientId, does, scopes, isImported, expires }: ClientStep): Event | undefined {
    const settings = {
      clientId,
      description: `the ${log.length}th`,
      expires: expires === null ? '2030-01-01T00:00:00.000Z' : timeOf(expires),
      deleteOnExpiration: true,
    };
    if (!state.clients.has(clientId)) {
      const imported = { ...EARLIER, lastRotated: EARLIER.created };
      const data = { ...settings, scopes, credential: credential(), ...(isImported && { imported }) };
      return { type: 'ClientCreated', data };
    }
    const events: Record<ClientStep['does'], Event> = {
      update: { type: 'ClientUpdated', data: { ...settings, scopes } },
      'update without scopes': { type: 'ClientUpdated', data: settings },
      enable: { type: 'ClientEnabled', data: { clientId } },
      disable: {
        type: 'ClientDisabled',
        data: { clientId, ...(isImported && { imported: { lastModified: EARLIER.lastModified } }) },
      },
      reset: { type: 'AccessTokenReset', data: { clientId, credential: credential() } },
      delete: { type: 'ClientDeleted', data: { clientId } },
      expire: { type: 'ClientExpired', data: { clientId, expires: settings.expires } },
    };
    return events[does];
  }

  return { write, log };
}
