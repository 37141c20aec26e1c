import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { CredentialsEvent } from '../schemas/events/credentialsEvents.ts';
import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import { type Position, rangeOf, type Recorded } from '../src/event.ts';
import type { Projection } from '../src/projection.ts';
import { type AuditEntry, auditedTypes, auditEntry } from './auditEntry.ts';

/**
 * The compact form of an entry, of which there is one for every event. The actor is in the row's key, and so is the
 * beginning of the position.
 */
export type BriefEntry = [
  actionType: string,
  created: string,
  entityType: AuditEntry['entityType'] | 'credentials',
  entityId: string,
  endOfPosition: string,
  revision: number,
];

/** Changes by one actor at neighbouring positions, in log order. */
export type ActorHistoryRow = { entries: BriefEntry[] };

/** About 100 events share a range of positions, and so, if they have one actor, a row. */
const EXPONENT = 2;

/** The prefix of the keys of one actor's rows. */
export function actorPrefix(clientId: string): string {
  return `${clientId}\n`;
}

/** The prefix of the keys of the rows with the credentials that one actor was given. No id contains a tab. */
export function credentialsPrefix(clientId: string): string {
  return `${clientId}\tcredentials\n`;
}

/**
 * A key before that of the row, among those with a prefix, of an event at a position, and behind those of all rows before
 * it.
 */
export function actorKeyBefore(prefix: string, position: Position): string {
  const range = rangeOf(position, EXPONENT);
  const lastDigit = range.charCodeAt(range.length - 1);
  return `${prefix}${range.slice(0, -1)}${String.fromCharCode(lastDigit - 1)}~`;
}

/**
 * What each actor did: changes of clients and roles, and, in rows of their own, credentials that it was given. Keys are one
 * of these prefixes and the range of positions.
 */
export const actorHistory: Projection<ActorHistoryRow, ClientEvent | RoleEvent | CredentialsEvent> = {
  name: 'actor-history',
  version: 4,
  keys: ({ type, metadata: { actor }, position }) => {
    const prefix = type === 'CredentialsIssued' ? credentialsPrefix(actor) : actorPrefix(actor);
    return [prefix + rangeOf(position, EXPONENT)];
  },
  on: {
    ...Object.fromEntries(auditedTypes.map((type) => [type, withChange])),
    CredentialsIssued: (row, event) =>
      withEntry(row, [
        'credentials issued',
        event.metadata.at,
        'credentials',
        event.data.service,
        ...placeOf(event),
      ]),
  },
};

function withChange(
  row: ActorHistoryRow | undefined,
  event: Recorded<ClientEvent | RoleEvent>,
): ActorHistoryRow {
  const { actionType, created, entityType, entityId } = auditEntry(event);
  return withEntry(row, [actionType, created, entityType, entityId, ...placeOf(event)]);
}

function withEntry(row: ActorHistoryRow | undefined, entry: BriefEntry): ActorHistoryRow {
  return { entries: row ? [...row.entries, entry] : [entry] };
}

function placeOf({ position, revision }: Recorded): [endOfPosition: string, revision: number] {
  return [position.slice(rangeOf(position, EXPONENT).length), revision];
}
