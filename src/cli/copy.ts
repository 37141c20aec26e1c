import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { openStoresAsStored } from '../compose.ts';
import { readStoreConfig } from '../config/config.ts';
import { invalid } from '../config/configError.ts';
import { copyStores, type Progress } from '../transfer/copyStores.ts';
import { approximateProgress } from '../eventStore/position.ts';
import { commandLog } from './commandLog.ts';
import { progressBar } from './progress.ts';
import { guardedServices } from '../services/guardedServices.ts';

const URLS =
  'sqlite:DIRECTORY, kurrentdb://HOST:PORT (with READ_STORE_URL for its secrets), or env:NAME of a variable that holds one of these';

/** `authledger copy`. */
export function copyCommand(): Command {
  return new Command('copy')
    .description(
      'copy a log with its secrets from one store to another, and compare every event; started again, it goes on where it ' +
        'was. No service is to run on either meanwhile',
    )
    .requiredOption('--from <url>', `where the log is: ${URLS}`)
    .requiredOption('--to <url>', 'where it is to be: the same forms')
    .action(({ from, to }: { from: string; to: string }) => copy(from, to));
}

async function copy(fromUrl: string, toUrl: string): Promise<void> {
  const [fromConfig, toConfig] = [
    readStoreConfig(guardedServices, fromUrl),
    readStoreConfig(guardedServices, toUrl),
  ];
  const isShared = [fromConfig, toConfig].every(({ eventStoreUrl }) => eventStoreUrl !== undefined);
  if (isShared)
    invalid('one of --from and --to must be sqlite:DIRECTORY: READ_STORE_URL can be that of one only');
  if (fromConfig.eventStoreUrl === undefined && !existsSync(fromConfig.dataDir))
    invalid(`--from: there is no directory ${fromConfig.dataDir}`);
  const log = commandLog(fromConfig);
  const from = await openStoresAsStored(fromConfig, { log });
  try {
    const head = await from.eventStore.head();
    if (head === from.eventStore.start)
      invalid('--from: there is no event in this log: is the address right?');
    const to = await openStoresAsStored(toConfig, { log });
    const bar = bars(approximateProgress(head));
    try {
      const { events, secrets } = await copyStores({ from, to }, bar.update);
      bar.stop();
      console.log(
        `${events} events are the same in both logs, in the same order; ${secrets} secrets are there too`,
      );
    } finally {
      bar.stop();
      await to.close();
    }
  } finally {
    await from.close();
  }
}

/** A progress bar for each pass over the log. */
function bars(total: number): { update: Progress; stop(): void } {
  let bar: { what: string; shown: ReturnType<typeof progressBar> } | undefined;
  function stop(): void {
    bar?.shown.stop();
    bar = undefined;
  }
  return {
    update(what, position) {
      if (bar?.what !== what) {
        stop();
        bar = { what, shown: progressBar(what, total) };
      }
      // A log that is being written to grows.
      const done = approximateProgress(position);
      bar!.shown.update(done, Math.max(done, total));
    },
    stop,
  };
}
