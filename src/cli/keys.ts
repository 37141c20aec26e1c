import { Command } from 'commander';
import { openStores } from '../compose.ts';
import { readConfig } from '../config/config.ts';
import { rotateKeys } from '../secretStore/rotateKeys.ts';
import { commandLog } from './commandLog.ts';
import { progressBar } from './progress.ts';
import { guardedServices } from '../services/guardedServices.ts';

/** `authledger keys rotate`. */
export function keysCommand(): Command {
  const rotate = new Command('rotate')
    .description(
      'seal all secrets under a new key. The generated key file gets one added; with SECRET_KEYS, put the new key first\n' +
        'and restart the service before you run this. Several nodes must all know it before one of them seals with it: put it\n' +
        'last and restart each of them, then first and restart each again. Nothing is lost when it is interrupted: run it again,\n' +
        'and it goes on. Old keys are named when nothing uses them any more, and never removed.',
    )
    .action(async () => {
      const config = readConfig(guardedServices);
      const stores = await openStores(config, { log: commandLog(config) });
      const bar = progressBar('sealing', 0);
      try {
        const { resealed, resumed, current, unused, used } = await rotateKeys(stores, bar.update);
        bar.stop();
        if (resumed) console.log('finished what was not sealed under the current key yet; no key was added');
        console.log(`current key: ${current}; secrets sealed again: ${resealed}`);
        for (const id of unused) console.log(`no longer used: ${id} (it may be removed)`);
        for (const id of used) console.log(`still used: ${id} (run this again)`);
      } finally {
        await stores.close();
      }
    });
  return new Command('keys').description('the keys that seal the access tokens').addCommand(rotate);
}
