import { existsSync, readFileSync } from 'node:fs';
import { invalid } from '../config/configError.ts';
import type { Endpoint, TlsSettings } from '../storage/diagnoseConnection.ts';

/** The address of a KurrentDB server or cluster, as EVENT_STORE_URL gives it. */
export type KurrentAddress = {
  /** For the driver: with defaults for the options that it does not set. It may hold a password. */
  url: string;
  endpoints: Endpoint[];
  hasUser: boolean;
  /** The settings for TLS; undefined for tls=false. Reads the files that the address names. */
  tls(): TlsSettings;
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
const FILE_OPTIONS = ['tlsCAFile', 'userCertFile', 'userKeyFile'];

/** Defaults for options that the address does not set (times in ms): a lost connection is noticed and replaced soon. */
const DEFAULTS = {
  connectionName: 'authledger',
  discoveryInterval: '100',
  keepAliveInterval: '10000',
  keepAliveTimeout: '3000',
};
const DEFAULT_PORT = 2113;

/** Parses an address. Throws ConfigError, without showing it, if it is invalid or names a file that does not exist. */
export function kurrentAddress(url: string): KurrentAddress {
  const [, scheme, authority, query = ''] =
    /^(?:esdb|kurrentdb|kdb)(\+discover)?:\/\/([^?]+?)\/*(?:\?(.*))?$/.exec(url.trim()) ?? [];
  if (authority === undefined)
    return invalid('the address of the KurrentDB server must be such as kurrentdb://db.example.com:2113');
  const options = query === '' ? [] : query.split('&').map((option) => option.split('=') as [string, string]);
  for (const [name, value] of options)
    if (!OPTIONS.some((option) => isSame(option, name)) || !value)
      return invalid(
        `the address of the KurrentDB server has an option that is not possible, or is empty; possible are ${OPTIONS.join(', ')}`,
      );
  const optionOf = (wanted: string): string | undefined =>
    options.find(([name]) => isSame(wanted, name))?.[1];
  const fileOf = (wanted: string): string | undefined => {
    const value = optionOf(wanted);
    return value === undefined ? undefined : decoded(value);
  };
  for (const name of FILE_OPTIONS)
    if (!existsSync(fileOf(name) ?? '.'))
      return invalid(`the address of the KurrentDB server names a file as ${name} that does not exist`);
  const defaults = Object.entries(DEFAULTS).filter(([name]) => optionOf(name) === undefined);
  const parameters = [...options, ...defaults].map(([name, value]) => `${name}=${value}`);
  const [user, hosts] = splitUser(authority);
  return {
    url: `kurrentdb${scheme ?? ''}://${authority}?${parameters.join('&')}`,
    endpoints: hosts.split(',').map(endpointOf),
    hasUser: user !== undefined,
    tls() {
      if (optionOf('tls') === 'false') return undefined;
      const contentOf = (name: string): Buffer | undefined => {
        const file = fileOf(name);
        return file === undefined ? undefined : readFileSync(file);
      };
      return {
        ca: contentOf('tlsCAFile'),
        cert: contentOf('userCertFile'),
        key: contentOf('userKeyFile'),
        rejectUnauthorized: optionOf('tlsVerifyCert') !== 'false',
      };
    },
  };
}

/** The driver accepts names of options in any case, and with - or _ in them. */
function isSame(option: string, name: string): boolean {
  return option.toLowerCase() === name.toLowerCase().replace(/[_-]/g, '');
}

function splitUser(authority: string): [string | undefined, string] {
  const at = authority.indexOf('@');
  return at < 0 ? [undefined, authority] : [authority.slice(0, at), authority.slice(at + 1)];
}

function endpointOf(text: string): Endpoint {
  const [host = '', port = DEFAULT_PORT] = text.trim().split(':');
  return { host, port: Number(port) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
