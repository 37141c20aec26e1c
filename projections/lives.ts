import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Projection } from '../src/projection.ts';
import { type AuditEntry, entityOf } from './auditEntry.ts';

/** When a client or role was created; without `created`, its end. */
export type LifeRow = { created?: string };

type EntityType = AuditEntry['entityType'];

/** The prefix of the keys of all rows of clients, or of roles. */
export function livesOf(entityType: EntityType): string {
  return `${entityType}/`;
}

/** The prefix of the keys of one client's or role's rows. No id contains a line feed. */
export function lifePrefix({ entityType, entityId }: ReturnType<typeof entityOf>): string {
  return `${livesOf(entityType)}${entityId}\n`;
}

/**
 * When each client and role came into being, and when it ended. Keys are `client/` or `role/`, its id, a line feed, and
 * the position. The last row up to a position says whether it was there at that position.
 */
export const lives: Projection<LifeRow, ClientEvent | RoleEvent> = {
  name: 'lives',
  version: 1,
  forgetsFormer: true,
  keys: ({ data, position }) => [lifePrefix(entityOf(data)) + position],
  on: {
    ClientCreated: begin,
    ClientDeleted: () => ({}),
    ClientExpired: () => ({}),
    RoleCreated: begin,
    RoleDeleted: () => ({}),
  },
};

type Creation = { data: { imported?: { created: string } }; metadata: { at: string } };

function begin(_: unknown, { data, metadata: { at } }: Creation): LifeRow {
  return { created: data.imported?.created ?? at };
}
