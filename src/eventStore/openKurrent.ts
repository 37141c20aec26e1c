import { KurrentDBClient } from '@kurrent/kurrentdb-client';
import { invalid } from '../config/configError.ts';

export type { AllStreamResolvedEvent, KurrentDBClient, ResolvedEvent } from '@kurrent/kurrentdb-client';

/** A KurrentDB server, or a cluster of them. */
export type Kurrent = {
  /** The connection that is in use now. */
  client(): KurrentDBClient;
  /** Takes a new connection where this one, in use until now, did not answer; what is still under way on it fails. */
  renew(failed: KurrentDBClient): void;
  /** Whether it was closed, so that nothing is to be tried again. */
  isClosed(): boolean;
  close(): Promise<void>;
};

/**
 * The options of an address that are taken. The client shows an address with an option that it does not know, and with it
 * the password, on the terminal.
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

/** What holds where the address says nothing else (times in ms): a lost connection is found out and replaced soon. */
const DEFAULTS = {
  connectionName: 'authledger',
  discoveryInterval: '100',
  keepAliveInterval: '10000',
  keepAliveTimeout: '3000',
};

/**
 * Opens what an address names: `kurrentdb://`, `kdb://` or `esdb://`, each also with `+discover` before the colon. It connects
 * when it is first used. Throws ConfigError for an address that is wrong; the address, which may hold a password, is in no error.
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
  const given = query === '' ? [] : query.split('&').map((each) => each.split('=') as [string, string]);
  for (const [name, value] of given)
    if (!OPTIONS.some((option) => isSame(option, name)) || !value)
      return invalid(
        `the address of the KurrentDB server has an option that is not possible, or is empty; possible are ${OPTIONS.join(', ')}`,
      );
  const added = Object.entries(DEFAULTS).filter(([name]) => !given.some(([other]) => isSame(name, other)));
  const options = [...given, ...added].map(([name, value]) => `${name}=${value}`);
  return `kurrentdb${scheme ?? ''}://${hosts}?${options.join('&')}`;
}

/** The client takes the names of options in any case, and with - or _ in them. */
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
