import { resolve } from 'node:path';
import { cleanEnv, EnvMissingError, makeValidator } from 'envalid';
import proxyAddr from 'proxy-addr';
import { ConfigError, quoted, wrong } from './configError.ts';
import { readSecretKeys, readStaticClients, type StaticClient } from './jsonSettings.ts';
import type { SecretKey } from './secretStore/keyring.ts';

export type Config = Readonly<{
  port: number;
  host: string;
  /** Undefined: made of host and port once the service listens. */
  rootUrl: string | undefined;
  /** Absolute. */
  dataDir: string;
  /** Undefined: an administrator's client is generated. */
  staticClients: StaticClient[] | undefined;
  /** The first is current. Undefined: they are in a generated file. */
  secretKeys: SecretKey[] | undefined;
  trustProxy: boolean | number | string[];
  allowedCorsOrigin: boolean | string | string[] | RegExp;
  readAccess: 'guarded' | 'open' | undefined;
  logLevel: string;
  maxBodyBytes: number;
  /** How many processes serve together. */
  workers: number;
}>;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const LEAST_BODY = 1024;
const MOST_BODY = 768 * 1024;
const MOST_WORKERS = 64;

/** Reads all settings. Throws ConfigError naming every one that is wrong. Variables of other names are not looked at. */
export function readConfig(env: Record<string, string | undefined> = process.env): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));
  const settings = cleanEnv(
    given,
    {
      PORT: setting(readPort)({ default: 8080 }),
      HOST: setting(readHost)({ default: '127.0.0.1' }),
      ROOT_URL: setting(readRootUrl)({ default: undefined }),
      DATA_DIR: setting(readDataDir)({ default: resolve('data') }),
      STATIC_CLIENTS: setting(readStaticClients)({ default: undefined }),
      SECRET_KEYS: setting(readSecretKeys)({ default: undefined }),
      TRUST_PROXY: setting(readTrustProxy)({ default: false as boolean | number | string[] }),
      ALLOWED_CORS_ORIGIN: setting(readCorsOrigin)({ default: '*' as Config['allowedCorsOrigin'] }),
      READ_ACCESS: setting(oneOf('guarded', 'open'))({ default: undefined }),
      LOG_LEVEL: setting(oneOf(...LOG_LEVELS))({ default: 'info' }),
      MAX_BODY_BYTES: setting(readBodyLimit)({ default: 512 * 1024 }),
      WORKERS: setting(readWorkers)({ default: 1 }),
    },
    { reporter: ({ errors }) => refuse(errors) },
  );
  return {
    port: settings.PORT,
    host: settings.HOST,
    rootUrl: settings.ROOT_URL,
    dataDir: settings.DATA_DIR,
    staticClients: settings.STATIC_CLIENTS,
    secretKeys: settings.SECRET_KEYS,
    trustProxy: settings.TRUST_PROXY,
    allowedCorsOrigin: settings.ALLOWED_CORS_ORIGIN,
    readAccess: settings.READ_ACCESS as Config['readAccess'],
    logLevel: settings.LOG_LEVEL,
    maxBodyBytes: settings.MAX_BODY_BYTES,
    workers: settings.WORKERS,
  };
}

/** The settings as anybody may see them. */
export function redactedConfig(config: Config): Record<string, unknown> {
  const { secretKeys, staticClients, allowedCorsOrigin, ...plain } = config;
  return {
    ...plain,
    allowedCorsOrigin: allowedCorsOrigin instanceof RegExp ? String(allowedCorsOrigin) : allowedCorsOrigin,
    staticClients:
      staticClients?.map(({ clientId }) => `${clientId} (token not shown)`) ?? '(not set: one is generated)',
    secretKeys: secretKeys ? '(set, not shown)' : '(not set: in a generated file)',
  };
}

/** Whether only this machine can reach a service that listens there. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** A validator of envalid's that throws what it is given to throw. */
function setting<T>(read: (text: string) => T) {
  return makeValidator<T>((text) => read(text));
}

function refuse(errors: Partial<Record<string, Error>>): void {
  const lines = Object.entries(errors).map(([name, error]) =>
    error instanceof EnvMissingError ? `${name} is not set` : `${name}: ${error!.message}`,
  );
  if (lines.length > 0) throw new ConfigError(lines.join('\n'));
}

function readPort(text: string): number {
  return /^\d{1,5}$/.test(text) && Number(text) < 65536
    ? Number(text)
    : wrong(`must be a port from 0 to 65535, not ${quoted(text)}`);
}

function readHost(text: string): string {
  return /^[A-Za-z0-9.:_-]+$/.test(text)
    ? text
    : wrong(`must be a host name or an address, not ${quoted(text)}`);
}

function readRootUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isRoot =
    url && ['http:', 'https:'].includes(url.protocol) && !url.search && !url.hash && !url.username;
  return isRoot
    ? text.replace(/\/+$/, '')
    : wrong(`must be an http or https URL such as https://auth.example.com, not ${quoted(text)}`);
}

function readDataDir(text: string): string {
  return text === '' ? wrong('must be a directory, not empty') : resolve(text);
}

function oneOf(...values: string[]): (text: string) => string {
  return (text) =>
    values.includes(text) ? text : wrong(`must be one of ${values.join(', ')}, not ${quoted(text)}`);
}

function readTrustProxy(text: string): boolean | number | string[] {
  if (text === 'true' || text === 'false') return text === 'true';
  if (/^\d{1,3}$/.test(text)) return Number(text);
  const addresses = text.split(',').map((each) => each.trim());
  try {
    proxyAddr.compile(addresses);
    return addresses;
  } catch {
    return wrong(
      `must be true, false, a number of hops, or addresses and subnets with commas between, not ${quoted(text)}`,
    );
  }
}

function readCorsOrigin(text: string): Config['allowedCorsOrigin'] {
  if (text === '') return false;
  if (text === '*') return text;
  const pattern = /^\/(.+)\/$/.exec(text)?.[1];
  if (pattern !== undefined) {
    try {
      return new RegExp(pattern);
    } catch {
      return wrong('is not a valid regular expression');
    }
  }
  const origins = text.split(',').map((each) => each.trim());
  const isOrigin = (each: string): boolean => URL.canParse(each) && new URL(each).origin === each;
  if (!origins.every(isOrigin))
    wrong(
      `must be *, origins such as https://example.com with commas between, or /pattern/, not ${quoted(text)}`,
    );
  return origins.length === 1 ? origins[0]! : origins;
}

function readBodyLimit(text: string): number {
  const [, digits, unit] = /^(\d{1,9})\s*(KiB)?$/.exec(text) ?? [];
  const bytes = Number(digits) * (unit ? 1024 : 1);
  const isPossible = bytes >= LEAST_BODY && bytes <= MOST_BODY;
  return isPossible
    ? bytes
    : wrong(`must be a number of bytes from ${LEAST_BODY} to ${MOST_BODY} (768KiB), not ${quoted(text)}`);
}

function readWorkers(text: string): number {
  const isPossible = /^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= MOST_WORKERS;
  return isPossible
    ? Number(text)
    : wrong(`must be a number of processes from 1 to ${MOST_WORKERS}, not ${quoted(text)}`);
}
