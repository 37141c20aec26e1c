import type { RoleRow } from '../../projections/roles.ts';
import { RoleScopes } from '../domain/roleScopes.ts';
import { makeYielder } from '../process/timeSlicing.ts';
import type { Projector } from './projector.ts';

/** Roles, and their scopes, that are indexed before yielding: some milliseconds' work. */
const BATCH_SIZE = 200;
const BATCH_SCOPES = 4000;

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

  /** The roles of the next batch. One that has more scopes is a batch by itself. */
  function batchAfter(roleId: string | undefined): RoleRow[] {
    const batch: RoleRow[] = [];
    let count = 0;
    for (const id of roleGraph.idsAfter(roleId, BATCH_SIZE)) {
      const role = roleGraph.get(id)!;
      count += role.scopes.length;
      if (count > BATCH_SCOPES && batch.length > 0) break;
      batch.push(role);
    }
    return batch;
  }

  function addAll(roles: readonly RoleRow[]): void {
    const added = roles.filter(({ roleId }) => !indexed.has(roleId));
    scopes.addAll(added);
    for (const role of added) indexed.set(role.roleId, role);
  }

  async function build(): Promise<void> {
    const yieldIfDue = makeYielder('answer');
    onRole(update);
    let batch = batchAfter(undefined);
    while (batch.length > 0) {
      addAll(batch);
      await yieldIfDue();
      batch = batchAfter(batch.at(-1)!.roleId);
    }
  }

  return async () => {
    await (building ??= build());
    return scopes;
  };
}
