import type { ClientCreated, ClientEvent } from '../schemas/events/clientEvents.ts';
import type { RoleCreated, RoleEvent } from '../schemas/events/roleEvents.ts';
import { clientStream, ROLES_STREAM } from '../src/eventStore/streams.ts';

type Change = { stream: string; event: ClientEvent | RoleEvent; actor: string };

/** Of so many changes, so many are of roles. */
const ROLE_CHANGES = { of: 9, many: 2 };
const ACTORS = 50;
/** What scopes begin with that changes give and take away. */
export const CHANGED = 'project:changed:';
/** Every so many changes of a made client or role, one deletes it. The next one creates it anew. */
const LIFE = 20;

/**
 * So many changes of roles and clients that were created as given, by many actors: new scopes, deletions and creations anew,
 * and clients that are disabled for a while. Only what is named `made…` is ever missing.
 */
export function* yearOfChanges(
  count: number,
  { roles, clients }: { roles: RoleCreated['data'][]; clients: ClientCreated['data'][] },
): Generator<Change> {
  const absent = new Set<string>();
  const disabled = new Set<string>();
  for (let i = 0; i < count; i += 1) {
    const actor = `admin/${i % ACTORS}`;
    const isLast = Math.floor(i / ROLE_CHANGES.of) % LIFE === 0;
    if (i % ROLE_CHANGES.of < ROLE_CHANGES.many) {
      const role = roles[(i * 7919) % roles.length]!;
      yield { stream: ROLES_STREAM, event: roleChange(role, { i, isLast, absent }), actor };
    } else {
      const client = clients[(i * 7919) % clients.length]!;
      const event = clientChange(client, { i, isLast, absent, disabled });
      yield { stream: clientStream(client.clientId), event, actor };
    }
  }
}

type Turn = { i: number; isLast: boolean; absent: Set<string> };

function roleChange(data: RoleCreated['data'], { i, isLast, absent }: Turn): RoleEvent {
  const { roleId } = data;
  if (absent.delete(roleId)) return { type: 'RoleCreated', data };
  if (isLast && roleId.startsWith('made')) {
    absent.add(roleId);
    return { type: 'RoleDeleted', data: { roleId } };
  }
  const scopes = [...data.scopes, `${CHANGED}${i % 1000}`];
  return { type: 'RoleUpdated', data: { roleId, description: `changed ${i}`, scopes } };
}

function clientChange(
  created: ClientCreated['data'],
  { i, isLast, absent, disabled }: Turn & { disabled: Set<string> },
): ClientEvent {
  const { clientId, expires, deleteOnExpiration } = created;
  if (absent.delete(clientId)) return { type: 'ClientCreated', data: created };
  if (disabled.delete(clientId)) return { type: 'ClientEnabled', data: { clientId } };
  const isMade = clientId.startsWith('made');
  if (isLast && isMade) {
    const [gone, type] =
      i % 3 === 0 ? ([disabled, 'ClientDisabled'] as const) : ([absent, 'ClientDeleted'] as const);
    gone.add(clientId);
    return { type, data: { clientId } };
  }
  const scopes = [...created.scopes, `${CHANGED}${i % 1000}`];
  return {
    type: 'ClientUpdated',
    data: { clientId, description: `changed ${i}`, expires, deleteOnExpiration, scopes },
  };
}
