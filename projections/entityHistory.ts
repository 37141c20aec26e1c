import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Recorded } from '../src/event.ts';
import type { Projection } from '../src/projection.ts';

type AuthEvent = ClientEvent | RoleEvent;

/** One change, as the history methods tell it: `clientId` is who did it. */
export type AuditEntry = {
  clientId: string;
  actionType: string;
  created: string;
  entityId: string;
  entityType: 'client' | 'role';
};

const ACTION: Record<AuthEvent['type'], string> = {
  ClientCreated: 'created',
  ClientUpdated: 'updated',
  ClientEnabled: 'client enabled',
  ClientDisabled: 'client disabled',
  AccessTokenReset: 'access token reset',
  ClientDeleted: 'deleted',
  ClientExpired: 'expired',
  RoleCreated: 'created',
  RoleUpdated: 'updated',
  RoleDeleted: 'deleted',
};

/** The entry that an event makes in the histories. */
export function auditEntry({ type, data, metadata }: Recorded<AuthEvent>): AuditEntry {
  const entity =
    'roleId' in data
      ? { entityId: data.roleId, entityType: 'role' as const }
      : { entityId: data.clientId, entityType: 'client' as const };
  return { clientId: metadata.actor, actionType: ACTION[type], created: metadata.at, ...entity };
}

/** Handlers that keep an entry of every event. */
export const everyEvent = Object.fromEntries(
  Object.keys(ACTION).map((type) => [type, (_: unknown, event: Recorded<AuthEvent>) => auditEntry(event)]),
) as Projection<AuditEntry, AuthEvent>['on'];

/** What the keys of one entity's history begin with. No id holds a line feed. */
export function entityPrefix(entityType: string, entityId: string): string {
  return `${entityType}/${entityId}\n`;
}

/** The changes of each entity in the order of the log: keys are the entity, then the position. */
export const entityHistory: Projection<AuditEntry, AuthEvent> = {
  name: 'entity-history',
  version: 1,
  rowPerEvent: true,
  key(event) {
    const { entityType, entityId } = auditEntry(event);
    return entityPrefix(entityType, entityId) + event.position;
  },
  on: everyEvent,
};
