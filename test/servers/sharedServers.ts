import { randomBytes } from 'node:crypto';
import { startCuttableProxy } from '../kurrentDouble/cuttableProxy.ts';
import { startKurrentDouble } from '../kurrentDouble/kurrentDouble.ts';
import { startFerretdb, startKafka } from './realServers.ts';
import { STATIC_CLIENTS } from '../startService.ts';

/**
 * A real Kafka, a server that speaks MongoDB's protocol, and KurrentDB's double behind a proxy that can be cut. `env` has the
 * settings of nodes that share the log and the stores; with `KAFKA_BROKERS: kafka.address` they publish, too.
 */
export async function startSharedServers() {
  const [readStore, kafka, kurrent] = await Promise.all([
    startFerretdb(),
    startKafka(),
    startKurrentDouble(),
  ]);
  const proxy = await startCuttableProxy(kurrent.port);
  return {
    readStore,
    kafka,
    kurrent,
    proxy,
    env: {
      EVENT_STORE_URL: `kurrentdb://127.0.0.1:${proxy.port}?tls=false`,
      READ_STORE_URL: `mongodb://${readStore.address}/authledger`,
      SECRET_KEYS: JSON.stringify([{ id: 'one', key: randomBytes(32).toString('base64') }]),
      STATIC_CLIENTS,
    },
    async remove(): Promise<void> {
      await proxy.close();
      kurrent.close();
      await Promise.all([readStore.remove(), kafka.remove()]);
    },
  };
}
