import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Recorded } from '../src/event.ts';
import type { Projection } from '../src/projection.ts';

/** An event of a role. Its stream is `roles`. */
export type RoleHistoryRow = Omit<Recorded<RoleEvent>, 'stream'>;

/** The prefix of the keys of one role's rows. No id contains a line feed. */
export function rolePrefix(roleId: string): string {
  return `${roleId}\n`;
}

/**
 * The events of each role. Keys are the role, a line feed, and the position. Roles need this projection because they
 * share one stream; a client's own stream is its history. The last event up to a position holds the role's definition
 * at that position.
 */
export const roleHistory: Projection<RoleHistoryRow, RoleEvent> = {
  name: 'role-history',
  version: 2,
  forgetsFormer: true,
  keys: ({ data, position }) => [rolePrefix(data.roleId) + position],
  on: { RoleCreated: withoutStream, RoleUpdated: withoutStream, RoleDeleted: withoutStream },
};

function withoutStream(_: unknown, { stream: __, ...event }: Recorded<RoleEvent>): RoleHistoryRow {
  return event as RoleHistoryRow;
}
