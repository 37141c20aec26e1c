import { Command } from 'commander';
import { purgeExpired } from '../jobs/purgeExpired.ts';
import { watchPurgeGap } from '../jobs/purgeGap.ts';
import { withService } from './withService.ts';

/** `authledger purge-expired`. */
export function purgeExpiredCommand(): Command {
  return new Command('purge-expired')
    .description(
      'remove the clients that asked to be deleted on expiration and have expired; a running service does so by itself, unless\n' +
        'its clock was further ahead of the newest change than PURGE_MAX_GAP: then it waits until this is run. See first that the\n' +
        'clock is right: what is removed does not come back',
    )
    .action(async () => {
      const purged = await withService(async ({ core, stores }, { purgeMaxGap }) => {
        await watchPurgeGap({ ...core, readStore: stores.readStore }, purgeMaxGap).confirmClock();
        return purgeExpired(core);
      });
      console.log(purged === 1 ? 'removed 1 expired client' : `removed ${purged} expired clients`);
    });
}
