import { clientListChunks } from '../api/clients/clientView.ts';
import { roleListChunks } from '../api/roles/roleView.ts';
import { allClients } from '../readSide/state.ts';
import { print } from './output.ts';
import { withService } from './withService.ts';

/** Writes all roles or all clients to standard output, as one line of JSON. */
export function exportAll(what: 'roles' | 'clients'): Promise<void> {
  return withService(async ({ core: { present, longWork } }) => {
    const incomplete = new Set<string>();
    const listing = { incomplete, longWork, owner: { caller: 'export' } };
    const roles = await present.allRoles();
    const chunks =
      what === 'roles'
        ? roleListChunks(roles, listing)
        : clientListChunks({ rows: allClients(present), roles, lastUsed: present.lastUsed }, listing);
    await print(lineOf(chunks));
    if (incomplete.size > 0)
      console.error(
        `authledger: too much to expand, and written with their own scopes alone: ${[...incomplete].join(', ')}`,
      );
  });
}

async function* lineOf(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  yield* pieces;
  yield '\n';
}
