import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Recorded } from '../src/event.ts';

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
  return { clientId: metadata.actor, actionType: ACTION[type], created: metadata.at, ...entityOf(data) };
}

/** What an event is about. */
export function entityOf(data: AuthEvent['data']): Pick<AuditEntry, 'entityId' | 'entityType'> {
  return 'roleId' in data
    ? { entityId: data.roleId, entityType: 'role' }
    : { entityId: data.clientId, entityType: 'client' };
}

/** The types of event that are told in histories: all there are. */
export const auditedTypes = Object.keys(ACTION) as AuthEvent['type'][];
