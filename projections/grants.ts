import type { ClientEvent } from '../schemas/events/clientEvents.ts';
import type { RoleEvent } from '../schemas/events/roleEvents.ts';
import type { Position, Recorded } from '../src/event.ts';
import type { Projection } from '../src/projection.ts';
import { entityOf } from './auditEntry.ts';

type GrantEvent = ClientEvent | RoleEvent;

/** The event that added a grant, as explanations name it. */
export type GrantSource = {
  position: Position;
  at: string;
  actor: string;
  issuer?: string;
  requestId: string;
  reason?: string;
};

/** The own scopes of a client or role, by the event that added them, in log order. */
export type GrantsRow = { added: (GrantSource & { scopes: string[] })[] };

/** The key of a client's or role's row. */
export function holderKey({ entityType, entityId }: ReturnType<typeof entityOf>): string {
  return `${entityType}/${entityId}`;
}

/** The event that added one of a holder's own scopes; undefined if the holder does not have it. */
export function sourceOf(row: GrantsRow, scope: string): GrantSource | undefined {
  const added = row.added.find(({ scopes }) => scopes.includes(scope));
  if (!added) return undefined;
  const { scopes: _, ...source } = added;
  return source;
}

/**
 * Who gave each client and role its scopes, and when. A scope that is taken away and added again has the later event, as
 * does every scope of a holder that is deleted and created again.
 */
export const grants: Projection<GrantsRow, GrantEvent> = {
  name: 'grants',
  version: 1,
  keys: ({ data }) => [holderKey(entityOf(data))],
  on: {
    ClientCreated: (_, event) => withScopes({ added: [] }, event.data.scopes, event),
    ClientUpdated: (row, event) =>
      row && (event.data.scopes ? withScopes(row, event.data.scopes, event) : row),
    ClientDeleted: () => undefined,
    ClientExpired: () => undefined,
    RoleCreated: (_, event) => withScopes({ added: [] }, event.data.scopes, event),
    RoleUpdated: (row, event) => row && withScopes(row, event.data.scopes, event),
    RoleDeleted: () => undefined,
  },
};

function withScopes({ added }: GrantsRow, scopes: readonly string[], event: Recorded<GrantEvent>): GrantsRow {
  const now = new Set(scopes);
  const kept = added
    .map((each) => ({ ...each, scopes: each.scopes.filter((scope) => now.has(scope)) }))
    .filter((each) => each.scopes.length > 0);
  for (const each of kept) for (const scope of each.scopes) now.delete(scope);
  return { added: now.size === 0 ? kept : [...kept, { ...sourceFrom(event), scopes: [...now] }] };
}

function sourceFrom({ position, metadata: { at, actor, issuer, requestId, reason } }: Recorded): GrantSource {
  return {
    position,
    at,
    actor,
    ...(issuer !== undefined && { issuer }),
    requestId,
    ...(reason !== undefined && { reason }),
  };
}
