import { KurrentDBClient } from '@kurrent/kurrentdb-client';
import type { Logger } from 'pino';
import { invalid } from '../config/configError.ts';
import { kurrentAddress } from './kurrentAddress.ts';
import { type KurrentOutages, kurrentOutages } from './kurrentOutages.ts';

export type { AllStreamResolvedEvent, KurrentDBClient, ResolvedEvent } from '@kurrent/kurrentdb-client';

/** A KurrentDB server, or a cluster of them. */
export type Kurrent = {
  /** The client for the connection that is in use now. */
  client(): KurrentDBClient;
  /** Replaces the connection if `failed` is still the one in use; calls in progress on it fail. */
  renew(failed: KurrentDBClient): void;
  outages: KurrentOutages;
  /** Whether it was closed, so that nothing should be retried. */
  isClosed(): boolean;
  close(): Promise<void>;
};

/**
 * Opens the server of an address: `kurrentdb://`, `kdb://` or `esdb://`, each also with `+discover` before the colon.
 * It connects on first use. Outages are reported to `log`. Throws ConfigError for an invalid address; as an address may
 * contain a password, errors never show it.
 */
export function openKurrent(url: string, log?: Logger): Kurrent {
  const address = kurrentAddress(url);
  let client = connect(address.url);
  let isClosed = false;
  return {
    client: () => client,
    renew(failed) {
      if (failed !== client || isClosed) return;
      client = connect(address.url);
      failed.dispose().catch(() => undefined);
    },
    outages: kurrentOutages(address, { log, isClosed: () => isClosed }),
    isClosed: () => isClosed,
    close() {
      isClosed = true;
      return client.dispose();
    },
  };
}

function connect(address: string): KurrentDBClient {
  try {
    return KurrentDBClient.connectionString(address);
  } catch {
    return invalid(
      'the address of the KurrentDB server cannot be read: check its hosts and options, and that user and password are percent-encoded',
    );
  }
}
