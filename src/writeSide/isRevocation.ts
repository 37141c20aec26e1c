import type { Event } from '../event.ts';

/** What takes rights away, and gives none. A new token takes them from whoever has the former one. */
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
