import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Recorded } from '../src/event.ts';

type AuthEvent = ClientEvent | RoleEvent;

/** One change, as the history methods return it. `clientId` is the actor. */
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

/** The audit entry of an event. */
export function auditEntry({
  type,
  data,
  metadata,
}: Pick<Recorded<AuthEvent>, 'type' | 'data' | 'metadata'>): AuditEntry {
  return { clientId: metadata.actor, actionType: ACTION[type], created: metadata.at, ...entityOf(data) };
}

/** The client or role that an event concerns. */
export function entityOf(data: AuthEvent['data']): Pick<AuditEntry, 'entityId' | 'entityType'> {
  return 'roleId' in data
    ? { entityId: data.roleId, entityType: 'role' }
    : { entityId: data.clientId, entityType: 'client' };
}

/** The event types that histories contain: all of them. */
export const auditedTypes = Object.keys(ACTION) as AuthEvent['type'][];

const CLIENT_ACTIONS = typesByAction('Client', 'AccessToken');
const ROLE_ACTIONS = typesByAction('Role');

/** The event type of an audit entry; undefined for an action of no event. */
export function typeOfAction(
  entityType: AuditEntry['entityType'],
  actionType: string,
): AuthEvent['type'] | undefined {
  return (entityType === 'role' ? ROLE_ACTIONS : CLIENT_ACTIONS).get(actionType);
}

function typesByAction(...beginnings: string[]): Map<string, AuthEvent['type']> {
  const types = auditedTypes.filter((type) => beginnings.some((beginning) => type.startsWith(beginning)));
  return new Map(types.map((type) => [ACTION[type], type]));
}
