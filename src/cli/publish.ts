import { Command } from 'commander';
import { openMessageBus, openStores } from '../compose.ts';
import { readConfig } from '../config/config.ts';
import { invalid } from '../config/configError.ts';
import { approximateProgress } from '../eventStore/position.ts';
import { BusUnavailable } from '../messageBus/messageBus.ts';
import { replay } from '../publisher/replay.ts';
import { commandLog } from './commandLog.ts';
import { inBackground } from './inBackground.ts';
import { progressBar } from './progress.ts';
import { guardedServices } from '../services/guardedServices.ts';

/** `authledger publish`. */
export function publishCommand(): Command {
  return new Command('publish')
    .description(
      'publish changes again that have been published already, for consumers that lost some or that are new; they keep their ids.\n' +
        'The service publishes new changes itself, and how far it has come stays as it is',
    )
    .requiredOption(
      '--from <position>',
      'the last position that the consumer has, as the header `position` says it: what came after it is published; or `start`',
    )
    .action(
      inBackground(
        async () =>
          ({ from }: { from: string }) =>
            publish(from),
      ),
    );
}

async function publish(from: string): Promise<void> {
  const config = readConfig(guardedServices);
  if (!config.kafka) invalid('KAFKA_BROKERS is not set: it says where changes are published');
  const log = commandLog(config);
  const stores = await openStores(config, { log });
  const bus = await openMessageBus(config.kafka!, log);
  try {
    const { eventStore } = stores;
    const after = from === 'start' ? undefined : from;
    const begin = approximateProgress(after ?? eventStore.start);
    let published = 0;
    let position = from;
    const bar = progressBar('publishing', Math.max(0, approximateProgress(await eventStore.head()) - begin));
    await replay({ ...stores, bus }, after, (reached, events) => {
      published = events;
      position = reached;
      bar.update(approximateProgress(reached) - begin);
    })
      .catch((error: unknown) => {
        if (!(error instanceof BusUnavailable)) throw error;
        const { message, kind } = error;
        throw new BusUnavailable(`${message}\nGo on with: authledger publish --from ${position}`, { kind });
      })
      .finally(() => bar.stop());
    console.log(`${published} events were published again, up to ${position}`);
  } finally {
    await bus.close();
    await stores.close();
  }
}
