import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Projection } from '../src/projection.ts';
import { type AuditEntry, auditEntry } from './auditEntry.ts';

/** The prefix of the keys of one role's rows. No id contains a line feed. */
export function rolePrefix(roleId: string): string {
  return `${roleId}\n`;
}

/**
 * The changes of each role. Keys are the role, a line feed, and the position. Roles need this projection because they
 * share one stream; a client's own stream is its history.
 */
export const roleHistory: Projection<AuditEntry, RoleEvent> = {
  name: 'role-history',
  version: 1,
  rowPerEvent: true,
  key: ({ data, position }) => rolePrefix(data.roleId) + position,
  on: { RoleCreated: toAuditEntry, RoleUpdated: toAuditEntry, RoleDeleted: toAuditEntry },
};

function toAuditEntry(_: unknown, event: Parameters<typeof auditEntry>[0]): AuditEntry {
  return auditEntry(event);
}
