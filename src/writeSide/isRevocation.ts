import type { Event } from '../event.ts';

/** Types of events that take rights away and grant none. A new token takes them from holders of the former one. */
const REVOCATIONS = new Set([
  'ClientDisabled',
  'ClientDeleted',
  'ClientExpired',
  'AccessTokenReset',
  'RoleDeleted',
]);

/** Whether events do nothing but take rights away. */
export function isRevocation(events: readonly Event[]): boolean {
  return events.every(({ type }) => REVOCATIONS.has(type));
}
