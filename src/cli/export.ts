import { Argument, Command } from 'commander';
import { piecesOf } from '../api/page.ts';
import { allClients } from '../api/clients.ts';
import { allRoles } from '../api/roles.ts';
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
        withService(async (service) => {
          const rows = what === 'roles' ? allRoles(service.projector.roleGraph) : allClients(service);
          await print(lineOf(piecesOf(rows, {})));
        }),
      ),
    );
}

async function* lineOf(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  yield* pieces;
  yield '\n';
}
