import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Recorded } from '../src/event.ts';
import type { Projection } from '../src/projection.ts';
import { type AuditEntry, auditedTypes, auditEntry } from './auditEntry.ts';

/** A change in short, as there is one for every event: what was done, when, and to what. The actor is in the row's key. */
export type BriefEntry = [
  actionType: string,
  created: string,
  entityType: AuditEntry['entityType'],
  entityId: string,
];

/** Some changes of one actor that are near each other in the log, in its order. */
export type ActorHistoryRow = { entries: BriefEntry[] };

/** Positions that differ in so many last digits only share a row. */
const DIGITS = 2;

/** What the keys of one actor's changes begin with. */
export function actorPrefix(clientId: string): string {
  return `${clientId}\n`;
}

/** The changes that each clientId made: keys are the actor, then the position without its last digits. */
export const actorHistory: Projection<ActorHistoryRow, ClientEvent | RoleEvent> = {
  name: 'actor-history',
  version: 3,
  key: ({ metadata, position }) => actorPrefix(metadata.actor) + position.slice(0, -DIGITS),
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

/** A change of an actor, told in full. */
export function fullEntry(
  clientId: string,
  [actionType, created, entityType, entityId]: BriefEntry,
): AuditEntry {
  return { clientId, actionType, created, entityId, entityType };
}
