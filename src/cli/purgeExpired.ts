import { Command } from 'commander';
import { purgeExpired } from '../purgeExpired.ts';
import { withService } from './withService.ts';

/** `authledger purge-expired`. */
export function purgeExpiredCommand(): Command {
  return new Command('purge-expired')
    .description(
      'remove the clients that asked to be deleted on expiration and have expired; a running service does so by itself',
    )
    .action(async () => {
      const purged = await withService((service) => purgeExpired(service));
      console.log(purged === 1 ? 'removed 1 expired client' : `removed ${purged} expired clients`);
    });
}
