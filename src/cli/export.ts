import { Argument, Command } from 'commander';
import { clientListChunks } from '../api/clients/clientView.ts';
import { roleListChunks } from '../api/roles/roleView.ts';
import { inBackground } from './inBackground.ts';
import { print } from './output.ts';
import { withService } from './withService.ts';

/** `authledger export`. */
export function exportCommand(): Command {
  return new Command('export')
    .description('write all roles or all clients to standard output, as `import` reads them; never a secret')
    .addArgument(new Argument('<what>').choices(['roles', 'clients']))
    .action(
      inBackground((what: 'roles' | 'clients') =>
        withService(async ({ core }) => {
          const incomplete = new Set<string>();
          const listing = { incomplete, longWork: core.longWork, owner: { caller: 'export' } };
          const pieces =
            what === 'roles'
              ? roleListChunks(core.projector.roleGraph, listing)
              : clientListChunks(core, listing);
          await print(lineOf(pieces));
          if (incomplete.size > 0)
            console.error(
              `authledger: too much to expand, and written with their own scopes alone: ${[...incomplete].join(', ')}`,
            );
        }),
      ),
    );
}

async function* lineOf(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  yield* pieces;
  yield '\n';
}
