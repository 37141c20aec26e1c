import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Projection } from '../src/projection.ts';
import { type AuditEntry, everyEvent } from './entityHistory.ts';

/** What the keys of one actor's changes begin with. */
export function actorPrefix(clientId: string): string {
  return `${clientId}\n`;
}

/** The changes that each clientId made, in the order of the log: keys are the actor, then the position. */
export const actorHistory: Projection<AuditEntry, ClientEvent | RoleEvent> = {
  name: 'actor-history',
  version: 1,
  rowPerEvent: true,
  key: ({ metadata, position }) => actorPrefix(metadata.actor) + position,
  on: everyEvent,
};
