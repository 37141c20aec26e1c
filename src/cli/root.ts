import { Command } from 'commander';
import { retireRoot, rotateRoot } from '../staticClients/generatedRoot.ts';
import { ROOT_CLIENT_ID } from '../staticClients/rootCredentials.ts';
import { tokenExpression } from './welcome.ts';
import { withService } from './withService.ts';

/** `authledger root rotate` and `authledger root retire`. */
export function rootCommand(): Command {
  const rotate = new Command('rotate')
    .description(
      'give it a new token, which is put into root-credentials.json and not printed; the former one ends at once. Should this be\n' +
        'cut off, run it again',
    )
    .action(async () => {
      const file = await withService(({ core }, config) => rotateRoot(core, config));
      console.log(
        `${ROOT_CLIENT_ID} has a new token, and the former one is good for nothing. It is kept in ${file}:`,
      );
      console.log(`  export TASKCLUSTER_ACCESS_TOKEN=${tokenExpression(file)}`);
    });
  const retire = new Command('retire')
    .description(
      'remove it for good, with its file: no start makes it again. Another client that is enabled must hold the scope *',
    )
    .action(async () => {
      const file = await withService(({ core }, config) => retireRoot(core, config));
      console.log(`${ROOT_CLIENT_ID} was removed, with ${file}: no start makes it again`);
    });
  return new Command('root')
    .description('the client with all scopes that a first start without STATIC_CLIENTS makes')
    .addCommand(rotate)
    .addCommand(retire);
}
