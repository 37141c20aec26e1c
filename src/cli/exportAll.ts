import { clientListChunks } from '../api/clients/clientView.ts';
import { roleListChunks } from '../api/roles/roleView.ts';
import { print } from './output.ts';
import { withService } from './withService.ts';

/** Writes all roles or all clients to standard output, as one line of JSON. */
export function exportAll(what: 'roles' | 'clients'): Promise<void> {
  return withService(async ({ core }) => {
    const incomplete = new Set<string>();
    const listing = { incomplete, longWork: core.longWork, owner: { caller: 'export' } };
    const chunks =
      what === 'roles' ? roleListChunks(core.projector.roleGraph, listing) : clientListChunks(core, listing);
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
