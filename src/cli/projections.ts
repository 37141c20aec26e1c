import Table from 'cli-table3';
import { Argument, Command } from 'commander';
import type { Stores } from '../compose.ts';
import { approximateProgress } from '../eventStore/position.ts';
import type { Event } from '../event.ts';
import { type Projection, tableOf } from '../projection.ts';
import { allProjections } from '../readSide/projector.ts';
import { rebuild } from '../readSide/rebuild.ts';
import { inBackground } from './inBackground.ts';
import { progressBar } from './progress.ts';
import { withStores } from './withStores.ts';

/** `authledger projections`. */
export function projectionsCommand(): Command {
  const status = new Command('status')
    .description('how far each projection has come')
    .action(() => withStores(showStatus));
  const names = allProjections.map(({ name }) => name);
  const rebuildCommand = new Command('rebuild')
    .description(
      'build projections anew from the log; a running service answers from the old ones until the new take over',
    )
    .addArgument(new Argument('[name]', 'which one; all when left out').choices(names))
    .action(
      inBackground(
        async () => (name?: string) =>
          withStores((stores) =>
            rebuildAll(
              stores,
              allProjections.filter((projection) => name === undefined || name === projection.name),
            ),
          ),
      ),
    );
  return new Command('projections')
    .description('the read models, which are built from the log')
    .addCommand(status)
    .addCommand(rebuildCommand);
}

async function showStatus({ eventStore, readStore }: Stores): Promise<void> {
  const head = await eventStore.head();
  const table = new Table({
    head: ['projection', 'table', 'position', 'behind'],
    style: { head: [], border: [] },
  });
  for (const projection of allProjections) {
    const checkpoint = (await readStore.checkpoint(tableOf(projection))) ?? eventStore.start;
    // A table's position is beyond the last event if the log's server is shared with other applications.
    const behind = Math.max(0, approximateProgress(head) - approximateProgress(checkpoint));
    table.push([projection.name, tableOf(projection), checkpoint, behind]);
  }
  console.log(table.toString());
  console.log(`the log is at ${head}`);
}

async function rebuildAll(
  { eventStore, readStore }: Stores,
  projections: Projection<object, Event>[],
): Promise<void> {
  const names = projections.map(({ name }) => name).join(', ');
  const bar = progressBar(`rebuilding ${names}`, approximateProgress(await eventStore.head()));
  const began = performance.now();
  let read = 0;
  await rebuild(
    projections,
    { eventStore, readStore },
    {
      onProgress(events, position) {
        read = events;
        bar.update(approximateProgress(position));
      },
    },
  );
  bar.stop();
  const seconds = (performance.now() - began) / 1000;
  console.log(`${names}: built from ${read} events in ${seconds.toFixed(1)} s`);
}
