import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Projection } from '../src/projection.ts';
import { type AuditEntry, auditEntry } from './auditEntry.ts';

/** What the keys of one role's history begin with. No id holds a line feed. */
export function rolePrefix(roleId: string): string {
  return `${roleId}\n`;
}

/**
 * The changes of each role: keys are the role, then the position. A client has a stream of its own, which is its history
 * already; all roles share one.
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
