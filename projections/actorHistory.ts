import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Recorded } from '../src/event.ts';
import type { Projection } from '../src/projection.ts';
import { type AuditEntry, auditedTypes, auditEntry } from './auditEntry.ts';

/** The compact form of an audit entry, of which there is one for every event. The actor is in the row's key. */
export type BriefEntry = [
  actionType: string,
  created: string,
  entityType: AuditEntry['entityType'],
  entityId: string,
];

/** Changes by one actor at neighbouring positions, in log order. */
export type ActorHistoryRow = { entries: BriefEntry[] };

/** Positions that differ only in this many last digits share a row. */
const SHARED_DIGITS = 2;

/** The prefix of the keys of one actor's rows. */
export function actorPrefix(clientId: string): string {
  return `${clientId}\n`;
}

/** The changes that each actor made. Keys are the actor, a line feed, and the position without its last digits. */
export const actorHistory: Projection<ActorHistoryRow, ClientEvent | RoleEvent> = {
  name: 'actor-history',
  version: 3,
  key: ({ metadata, position }) => actorPrefix(metadata.actor) + position.slice(0, -SHARED_DIGITS),
  on: Object.fromEntries(auditedTypes.map((type) => [type, withEntry])),
};

function withEntry(
  row: ActorHistoryRow | undefined,
  event: Recorded<ClientEvent | RoleEvent>,
): ActorHistoryRow {
  const { actionType, created, entityType, entityId } = auditEntry(event);
  const entry: BriefEntry = [actionType, created, entityType, entityId];
  return { entries: row ? [...row.entries, entry] : [entry] };
}

/** The audit entry of a compact one. */
export function fullEntry(
  clientId: string,
  [actionType, created, entityType, entityId]: BriefEntry,
): AuditEntry {
  return { clientId, actionType, created, entityId, entityType };
}
