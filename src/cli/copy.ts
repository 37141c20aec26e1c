import { Command } from 'commander';
import { openStores } from '../compose.ts';
import { readConfigOfStores } from '../config.ts';
import { copyStores } from '../copyStores.ts';
import { amountUpTo } from '../eventStore/position.ts';
import { progressBar } from './progress.ts';

const URLS =
  'sqlite:DIRECTORY, kurrentdb://HOST:PORT (with READ_STORE_URL for its secrets), or env:NAME of a variable that holds one of these';

/** `authledger copy`. */
export function copyCommand(): Command {
  return new Command('copy')
    .description(
      'copy a log with its secrets from one store to another, and compare every event; started again, it goes on where it was',
    )
    .requiredOption('--from <url>', `where the log is: ${URLS}`)
    .requiredOption('--to <url>', 'where it is to be: the same forms')
    .action(({ from, to }: { from: string; to: string }) => copy(from, to));
}

async function copy(fromUrl: string, toUrl: string): Promise<void> {
  const [fromConfig, toConfig] = [readConfigOfStores(fromUrl), readConfigOfStores(toUrl)];
  const from = await openStores(fromConfig);
  try {
    const to = await openStores(toConfig);
    try {
      const bar = progressBar('copying', amountUpTo(await from.eventStore.head()));
      let furthest = 0;
      const { events, secrets } = await copyStores({ from, to }, (position) =>
        bar.update((furthest = Math.max(furthest, amountUpTo(position)))),
      ).finally(() => bar.stop());
      console.log(
        `${events} events are the same in both logs, in the same order; ${secrets} secrets are there too`,
      );
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}
