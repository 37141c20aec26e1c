import { clientsInPieces } from '../api/clients.ts';
import { rolesInPieces } from '../api/roles.ts';
import { print } from './output.ts';
import { withService } from './withService.ts';

/** Writes all roles or all clients to standard output, as one line of JSON. */
export function exportAll(what: 'roles' | 'clients'): Promise<void> {
  return withService(async (service) => {
    const incomplete = new Set<string>();
    const listing = { incomplete, longWork: service.longWork, whom: { caller: 'export' } };
    const pieces =
      what === 'roles'
        ? rolesInPieces(service.projector.roleGraph, listing)
        : clientsInPieces(service, listing);
    await print(lineOf(pieces));
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
