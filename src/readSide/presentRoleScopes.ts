import type { RoleRow } from '../../projections/roles.ts';
import { RoleScopes } from '../domain/roleScopes.ts';
import { makeYielder } from '../process/timeSlicing.ts';
import type { Projector } from './projector.ts';

/** Roles that are indexed, some milliseconds' work, before yielding. */
const BATCH_SIZE = 200;

/**
 * Makes a function that returns the own scopes of all present roles, indexed. The index is built at the first call, since
 * few nodes need it, and kept up to date from then on.
 */
export function makePresentRoleScopes({
  roleGraph,
  onRole,
}: Pick<Projector, 'roleGraph' | 'onRole'>): () => Promise<RoleScopes> {
  const scopes = new RoleScopes();
  const indexed = new Map<string, RoleRow>();
  let building: Promise<void> | undefined;

  function update(roleId: string): void {
    const [former, present] = [indexed.get(roleId), roleGraph.get(roleId)];
    if (former === present) return;
    if (former) scopes.delete(former);
    if (present) scopes.add(present);
    if (present) indexed.set(roleId, present);
    else indexed.delete(roleId);
  }

  function addAll(roleIds: readonly string[]): void {
    const added = roleIds.flatMap((roleId) => (indexed.has(roleId) ? [] : [roleGraph.get(roleId)!]));
    scopes.addAll(added);
    for (const role of added) indexed.set(role.roleId, role);
  }

  async function build(): Promise<void> {
    const yieldIfDue = makeYielder('answer');
    onRole(update);
    let ids = roleGraph.idsAfter(undefined, BATCH_SIZE);
    while (ids.length > 0) {
      addAll(ids);
      await yieldIfDue();
      ids = roleGraph.idsAfter(ids.at(-1), BATCH_SIZE);
    }
  }

  return async () => {
    await (building ??= build());
    return scopes;
  };
}
