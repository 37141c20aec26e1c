import { LRUCache } from 'lru-cache';
import type { ClientRow } from '../../projections/clients.ts';
import type { FormerRoles } from '../domain/formerRoles.ts';
import type { RoleDefinition } from '../domain/roleDefinition.ts';
import type { RoleScopes } from '../domain/roleScopes.ts';
import type { Position } from '../event.ts';
import { bytesInMemory } from './bytesInMemory.ts';

/** Bytes, approximately, of the clients of one moment that are kept; and what a client or an index takes besides. */
const MAX_CLIENT_BYTES = 8 * 1024 * 1024;
const AROUND = 200;

type Clients = LRUCache<string, ClientRow>;
type Roles = FormerRoles<RoleDefinition>;

/**
 * Keeps what was found out about moments of the past, which never changes, in at most `maxBytes` of memory,
 * approximately. Of different moments, and kinds of things, the latest used stay.
 */
export function makeFormerCache(maxBytes: number) {
  const kept = new LRUCache<string, Clients | Roles | RoleScopes>({ maxSize: maxBytes });
  const clientsKey = (position: Position): string => `clients ${position}`;
  const rolesKey = (position: Position): string => `roles ${position}`;
  const scopesKey = (position: Position): string => `scopes ${position}`;

  function put(key: string, value: Clients | Roles | RoleScopes, size: number): void {
    // Setting the same value again would not count what it has grown by.
    kept.delete(key);
    kept.set(key, value, { size });
  }

  const rolesAt = (position: Position): Roles | undefined =>
    kept.get(rolesKey(position)) as Roles | undefined;

  return {
    client(position: Position, clientId: string): ClientRow | undefined {
      return (kept.get(clientsKey(position)) as Clients | undefined)?.get(clientId);
    },
    keepClient(position: Position, row: ClientRow): void {
      const key = clientsKey(position);
      const clients =
        (kept.get(key) as Clients | undefined) ??
        new LRUCache<string, ClientRow>({ maxSize: Math.min(MAX_CLIENT_BYTES, maxBytes) });
      clients.set(row.clientId, row, { size: AROUND + bytesInMemory(row) });
      if (clients.size > 0) put(key, clients, clients.calculatedSize);
    },
    roles: rolesAt,
    /** Keeps roles, which may have grown since they were kept before. */
    keepRoles(position: Position, roles: Roles): void {
      put(rolesKey(position), roles, roles.bytes);
    },
    roleScopes(position: Position): RoleScopes | undefined {
      return kept.get(scopesKey(position)) as RoleScopes | undefined;
    },
    /** Keeps the index of roles' scopes if there is room for it beside the roles: these take longer to load again. */
    keepRoleScopes(position: Position, { scopes, bytes }: { scopes: RoleScopes; bytes: number }): void {
      const size = AROUND + bytes;
      if (size + (rolesAt(position)?.bytes ?? 0) <= maxBytes) put(scopesKey(position), scopes, size);
    },
  };
}
