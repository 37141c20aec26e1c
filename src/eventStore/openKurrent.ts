import { KurrentDBClient } from '@kurrent/kurrentdb-client';
import { invalid } from '../config/configError.ts';

export type { AllStreamResolvedEvent, KurrentDBClient, ResolvedEvent } from '@kurrent/kurrentdb-client';

/** A KurrentDB server, or a cluster of them. */
export type Kurrent = {
  /** The client for the connection that is in use now. */
  client(): KurrentDBClient;
  /** Replaces the connection if `failed` is still the one in use; calls in progress on it fail. */
  renew(failed: KurrentDBClient): void;
  /** Whether it was closed, so that nothing should be retried. */
  isClosed(): boolean;
  close(): Promise<void>;
};

/**
 * The options that an address may have. The driver prints an address with an unknown option, and its password, to the
 * terminal; so unknown options are refused here.
 */
const OPTIONS = [
  'connectionName',
  'defaultDeadline',
  'discoveryInterval',
  'gossipTimeout',
  'keepAliveInterval',
  'keepAliveTimeout',
  'maxDiscoverAttempts',
  'nodePreference',
  'tls',
  'tlsCAFile',
  'tlsVerifyCert',
  'userCertFile',
  'userKeyFile',
];

/** Defaults for options that the address does not set (times in ms): a lost connection is noticed and replaced soon. */
const DEFAULTS = {
  connectionName: 'authledger',
  discoveryInterval: '100',
  keepAliveInterval: '10000',
  keepAliveTimeout: '3000',
};

/**
 * Opens the server of an address: `kurrentdb://`, `kdb://` or `esdb://`, each also with `+discover` before the colon.
 * It connects on first use. Throws ConfigError for an invalid address; as an address may contain a password, errors
 * never show it.
 */
export function openKurrent(url: string): Kurrent {
  const address = withDefaults(url);
  let client = connect(address);
  let isClosed = false;
  return {
    client: () => client,
    renew(failed) {
      if (failed !== client || isClosed) return;
      client = connect(address);
      failed.dispose().catch(() => undefined);
    },
    isClosed: () => isClosed,
    close() {
      isClosed = true;
      return client.dispose();
    },
  };
}

function withDefaults(url: string): string {
  const [, scheme, hosts, query = ''] =
    /^(?:esdb|kurrentdb|kdb)(\+discover)?:\/\/([^?]+?)\/*(?:\?(.*))?$/.exec(url.trim()) ?? [];
  if (hosts === undefined)
    return invalid('the address of the KurrentDB server must be such as kurrentdb://db.example.com:2113');
  const options = query === '' ? [] : query.split('&').map((option) => option.split('=') as [string, string]);
  for (const [name, value] of options)
    if (!OPTIONS.some((option) => isSame(option, name)) || !value)
      return invalid(
        `the address of the KurrentDB server has an option that is not possible, or is empty; possible are ${OPTIONS.join(', ')}`,
      );
  const defaults = Object.entries(DEFAULTS).filter(
    ([name]) => !options.some(([other]) => isSame(name, other)),
  );
  const parameters = [...options, ...defaults].map(([name, value]) => `${name}=${value}`);
  return `kurrentdb${scheme ?? ''}://${hosts}?${parameters.join('&')}`;
}

/** The driver accepts names of options in any case, and with - or _ in them. */
function isSame(option: string, name: string): boolean {
  return option.toLowerCase() === name.toLowerCase().replace(/[_-]/g, '');
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
