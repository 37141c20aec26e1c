import { once } from 'node:events';
import { Argument, Command } from 'commander';
import { piecesOf } from '../api/page.ts';
import { allClients } from '../api/clients.ts';
import { allRoles } from '../api/roles.ts';
import { withService } from './withService.ts';

/** `authledger export`. */
export function exportCommand(): Command {
  return new Command('export')
    .description('write all roles or all clients to standard output, as `import` reads them; never a secret')
    .addArgument(new Argument('<what>').choices(['roles', 'clients']))
    .action((what: 'roles' | 'clients') =>
      withService(async (service) => {
        const rows = what === 'roles' ? allRoles(service.projector.roleGraph) : allClients(service);
        for await (const piece of piecesOf(rows, {})) {
          if (!process.stdout.write(piece)) await once(process.stdout, 'drain');
        }
        process.stdout.write('\n');
      }),
    );
}
