import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cleanEnv, EnvMissingError, makeValidator } from 'envalid';
import type { RateLimits } from './rateLimits.ts';
import { ConfigError, invalid } from './configError.ts';
import { ROLE_LIMITS } from '../domain/roleTotals.ts';
import { MAX_EXPANSION_SCOPES } from '../domain/workBudget.ts';
import { readSecretKeys, readStaticClients, type StaticClient, type SecretKey } from './jsonSettings.ts';
import { KEY_FILE, keysInFile } from './keyFile.ts';
import { readSettingFiles } from './settingFiles.ts';
import {
  readServiceSettings,
  redactedServiceSettings,
  type ServiceSettings,
  type ServiceVariable,
} from './serviceSettings.ts';
import {
  oneOf,
  readBodyLimit,
  readAddresses,
  readBewitLifetime,
  readBoolean,
  readBrokers,
  readConnections,
  readCorsOrigin,
  readDataDir,
  readEventStoreUrl,
  readDiskReserve,
  readHost,
  readHosts,
  readKeepAlive,
  readMemorySize,
  readNonces,
  readTimeout,
  readPort,
  readPrefix,
  readPurgeGap,
  readQuota,
  readReadStoreUrl,
  readRootUrl,
  readScopeLimit,
  readStaleness,
  readTrustProxy,
  readWorkers,
} from './settingReaders.ts';

export type Config = Readonly<{
  port: number;
  host: string;
  /** Undefined: derived from host and port once the service listens. */
  rootUrl: string | undefined;
  /** Absolute. */
  dataDir: string;
  /** Undefined: the client of an administrator is generated. */
  staticClients: StaticClient[] | undefined;
  /** The first one is current. Undefined: they are in the generated key file. */
  secretKeys: SecretKey[] | undefined;
  trustProxy: boolean | number | string[];
  allowedCorsOrigin: boolean | string | string[] | RegExp;
  /** Undefined means `published`, without the administrator having chosen it. */
  readAccess: 'published' | 'guarded' | 'open' | undefined;
  logLevel: string;
  maxBodyBytes: number;
  /** The most scopes that one expansion may produce. */
  maxExpansionScopes: number;
  /** The most scopes of all roles together, including those that parameters produce. */
  maxRoleScopes: number;
  /** How long (ms) an idle connection stays open. */
  keepAliveTimeout: number;
  /** The most connections of a process, in all and for each address. */
  maxConnections: number;
  maxConnectionsPerAddress: number | undefined;
  /** The most bytes that a process buffers of incomplete request bodies, and of replies that callers have not read. */
  maxUnfinishedBodies: number;
  maxUnreadReplies: number;
  /** How long (ms) the headers and the body of a request may take to arrive, and a reply may make no progress. */
  headersTimeout: number;
  bodyTimeout: number;
  replyTimeout: number;
  /** Bytes of disk space reserved for revocations while the disk is full; 0: none. */
  diskReserve: number;
  rateLimits: RateLimits;
  /** Addresses whose unsigned requests are exempt from rate limits. */
  trustedAddresses: string[];
  /** The hosts that signed requests may be sent to, as `normalizedHost` returns them; undefined: any. */
  allowedHosts: string[] | undefined;
  /** Whether nonces of signed PUT, POST and DELETE requests are stored, so that replays are refused. */
  replayProtection: boolean;
  maxNoncesPerClient: number;
  /** Whether the signature of a change must cover the body. */
  requirePayloadHash: boolean;
  /** The longest remaining lifetime (ms) of a bewit; undefined: no limit. */
  maxBewitLifetime: number | undefined;
  /** The number of processes that serve together. */
  workers: number;
  /** The servers of the log, and of the read models and secrets. Both undefined: SQLite files in the data directory. */
  eventStoreUrl: string | undefined;
  readStoreUrl: string | undefined;
  /** The prefix of stream names on a shared server. */
  streamPrefix: string;
  /** The prefix of collection names on a shared server. */
  collectionPrefix: string;
  /** How long (ms) a node may answer after it last confirmed that its read models are up to date with a shared log. */
  maxStaleness: number;
  /** The Kafka cluster to which every change is published; undefined: none. */
  kafka: KafkaSettings | undefined;
  /** The settings of the configured guarded services. */
  serviceSettings: ServiceSettings;
  /** Whether issued credentials of guarded services are recorded in the log. */
  recordCredentials: boolean;
  /** Whether guarded services accept secrets that are too short for HS256. */
  allowShortSecrets: boolean;
  /** Whether files and a data directory that others may write are accepted, and secrets that others may read. */
  allowLoosePermissions: boolean;
  /** Automatic purging pauses if the clock is further ahead (ms) of the newest event than this. */
  purgeMaxGap: number;
}>;

export type KafkaSettings = Readonly<{
  brokers: string[];
  ssl: boolean;
  sasl:
    | { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string }
    | undefined;
  /** The prefix of topic names. */
  topicPrefix: string;
}>;

/** The default prefix of streams, collections and topics. */
export const DEFAULT_PREFIX = 'authledger.';
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Refused if empty. To treat an empty value as unset would remove a protection or discard data. */
const REFUSED_WHEN_EMPTY = [
  'STATIC_CLIENTS',
  'STATIC_CLIENTS_FILE',
  'SECRET_KEYS',
  'SECRET_KEYS_FILE',
  'READ_ACCESS',
  'EVENT_STORE_URL',
  'READ_STORE_URL',
  'ALLOWED_HOSTS',
  'REPLAY_PROTECTION',
  'REQUIRE_PAYLOAD_HASH',
  'MAX_BEWIT_LIFETIME',
  'RATE_LIMIT_AUTHENTICATE',
  'KAFKA_SASL_MECHANISM',
  'KAFKA_SASL_USERNAME',
  'KAFKA_SASL_PASSWORD',
];

/** An empty value is meaningful here: no origin is allowed. */
const MEANINGFUL_WHEN_EMPTY = new Set(['ALLOWED_CORS_ORIGIN']);

/**
 * Reads all settings, including those of guarded services. Variables of other names are ignored. Throws one ConfigError
 * that names every invalid setting.
 */
export function readConfig(
  guardedServices: readonly ServiceVariable[],
  env: Record<string, string | undefined> = process.env,
): Config {
  const { given: set, problems } = withoutEmpty(guardedServices, env);
  const files = readSettingFiles(set, ['STATIC_CLIENTS', 'SECRET_KEYS']);
  const { given } = files;
  const services = readServiceSettings(guardedServices, given);
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
      READ_ACCESS: setting(oneOf('published', 'guarded', 'open'))({ default: undefined }),
      LOG_LEVEL: setting(oneOf(...LOG_LEVELS))({ default: 'info' }),
      MAX_BODY_BYTES: setting(readBodyLimit)({ default: 512 * 1024 }),
      MAX_EXPANSION_SCOPES: setting(readScopeLimit)({ default: MAX_EXPANSION_SCOPES }),
      MAX_ROLE_SCOPES: setting(readScopeLimit)({ default: ROLE_LIMITS.scopes }),
      KEEP_ALIVE_TIMEOUT: setting(readKeepAlive)({ default: 90_000 }),
      MAX_CONNECTIONS: setting(readConnections)({ default: 2000 }),
      MAX_CONNECTIONS_PER_ADDRESS: setting(readConnections)({ default: undefined }),
      MAX_UNFINISHED_BODIES: setting(readMemorySize)({ default: 64 * 1024 * 1024 }),
      MAX_UNREAD_REPLIES: setting(readMemorySize)({ default: 64 * 1024 * 1024 }),
      HEADERS_TIMEOUT: setting(readTimeout)({ default: 20_000 }),
      BODY_TIMEOUT: setting(readTimeout)({ default: 60_000 }),
      REPLY_TIMEOUT: setting(readTimeout)({ default: 30_000 }),
      DISK_RESERVE: setting(readDiskReserve)({ default: 32 * 1024 * 1024 }),
      RATE_LIMIT: setting(readQuota)({ default: { quota: 30_000, seconds: 60 } }),
      RATE_LIMIT_CREDENTIALS: setting(readQuota)({ default: { quota: 3000, seconds: 60 } }),
      RATE_LIMIT_AUTHENTICATE: setting(readQuota)({ default: 'off' }),
      TRUSTED_ADDRESSES: setting(readAddresses)({ default: [] as string[] }),
      ALLOWED_HOSTS: setting(readHosts)({ default: undefined }),
      REPLAY_PROTECTION: setting(oneOf('writes'))({ default: undefined }),
      MAX_NONCES_PER_CLIENT: setting(readNonces)({ default: 10_000 }),
      REQUIRE_PAYLOAD_HASH: setting(readBoolean)({ default: false }),
      MAX_BEWIT_LIFETIME: setting(readBewitLifetime)({ default: undefined }),
      WORKERS: setting(readWorkers)({ default: 1 }),
      EVENT_STORE_URL: setting(readEventStoreUrl)({ default: undefined }),
      READ_STORE_URL: setting(readReadStoreUrl)({ default: undefined }),
      STREAM_PREFIX: setting(readPrefix)({ default: DEFAULT_PREFIX }),
      COLLECTION_PREFIX: setting(readPrefix)({ default: DEFAULT_PREFIX }),
      MAX_STALENESS: setting(readStaleness)({ default: 5000 }),
      KAFKA_BROKERS: setting(readBrokers)({ default: undefined }),
      KAFKA_SSL: setting(readBoolean)({ default: false }),
      KAFKA_SASL_MECHANISM: setting(oneOf('plain', 'scram-sha-256', 'scram-sha-512'))({
        default: undefined,
      }),
      KAFKA_SASL_USERNAME: setting(String)({ default: undefined }),
      KAFKA_SASL_PASSWORD: setting(String)({ default: undefined }),
      KAFKA_TOPIC_PREFIX: setting(readPrefix)({ default: DEFAULT_PREFIX }),
      RECORD_CREDENTIALS: setting(readBoolean)({ default: true }),
      ALLOW_SHORT_SECRETS: setting(readBoolean)({ default: false }),
      ALLOW_LOOSE_PERMISSIONS: setting(readBoolean)({ default: false }),
      PURGE_MAX_GAP: setting(readPurgeGap)({ default: 30 * 24 * 60 * 60_000 }),
    },
    {
      reporter: ({ errors }) => throwProblems(errors, [...problems, ...files.problems, ...services.problems]),
    },
  );
  const config: Config = {
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
    maxExpansionScopes: settings.MAX_EXPANSION_SCOPES,
    maxRoleScopes: settings.MAX_ROLE_SCOPES,
    keepAliveTimeout: settings.KEEP_ALIVE_TIMEOUT,
    maxConnections: settings.MAX_CONNECTIONS,
    maxConnectionsPerAddress: settings.MAX_CONNECTIONS_PER_ADDRESS,
    maxUnfinishedBodies: settings.MAX_UNFINISHED_BODIES,
    maxUnreadReplies: settings.MAX_UNREAD_REPLIES,
    headersTimeout: settings.HEADERS_TIMEOUT,
    bodyTimeout: settings.BODY_TIMEOUT,
    replyTimeout: settings.REPLY_TIMEOUT,
    diskReserve: settings.DISK_RESERVE,
    rateLimits: {
      requests: unlessOff(settings.RATE_LIMIT),
      credentials: unlessOff(settings.RATE_LIMIT_CREDENTIALS),
      authenticate: unlessOff(settings.RATE_LIMIT_AUTHENTICATE),
    },
    trustedAddresses: settings.TRUSTED_ADDRESSES,
    allowedHosts: settings.ALLOWED_HOSTS,
    replayProtection: settings.REPLAY_PROTECTION !== undefined,
    maxNoncesPerClient: settings.MAX_NONCES_PER_CLIENT,
    requirePayloadHash: settings.REQUIRE_PAYLOAD_HASH,
    maxBewitLifetime: settings.MAX_BEWIT_LIFETIME,
    workers: settings.WORKERS,
    eventStoreUrl: settings.EVENT_STORE_URL,
    readStoreUrl: settings.READ_STORE_URL,
    streamPrefix: settings.STREAM_PREFIX,
    collectionPrefix: settings.COLLECTION_PREFIX,
    maxStaleness: settings.MAX_STALENESS,
    kafka: settings.KAFKA_BROKERS && {
      brokers: settings.KAFKA_BROKERS,
      ssl: settings.KAFKA_SSL,
      sasl: saslOf(settings),
      topicPrefix: settings.KAFKA_TOPIC_PREFIX,
    },
    serviceSettings: services.settings,
    recordCredentials: settings.RECORD_CREDENTIALS,
    allowShortSecrets: settings.ALLOW_SHORT_SECRETS,
    allowLoosePermissions: settings.ALLOW_LOOSE_PERMISSIONS,
    purgeMaxGap: settings.PURGE_MAX_GAP,
  };
  const kafka = Object.keys(given).find((name) => /^KAFKA_(SSL|SASL_|TOPIC_)/.test(name));
  if (kafka !== undefined && !config.kafka)
    invalid(`${kafka} needs KAFKA_BROKERS: nothing is published without it`);
  refuseIncompatibleSettings(config);
  return config;
}

/**
 * The variables that are set. An empty one counts as unset, because compose files often set variables to nothing.
 * `problems` name those that must not be empty.
 */
function withoutEmpty(
  services: readonly Pick<ServiceVariable, 'variable'>[],
  env: Record<string, string | undefined>,
): {
  given: Record<string, string>;
  problems: string[];
} {
  const refused = new Set([
    ...REFUSED_WHEN_EMPTY,
    ...services.flatMap(({ variable }) => [variable, `${variable}_FILE`]),
  ]);
  const given: Record<string, string> = {};
  const problems: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    if (value !== '' || MEANINGFUL_WHEN_EMPTY.has(name)) given[name] = value;
    else if (refused.has(name)) problems.push(`${name} is set and empty: give it a value, or do not set it`);
  }
  return { given, problems };
}

function unlessOff<T>(value: T | 'off'): T | undefined {
  return value === 'off' ? undefined : value;
}

function saslOf(settings: {
  KAFKA_SASL_MECHANISM: string | undefined;
  KAFKA_SASL_USERNAME: string | undefined;
  KAFKA_SASL_PASSWORD: string | undefined;
}): KafkaSettings['sasl'] {
  const {
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_SASL_USERNAME: username,
    KAFKA_SASL_PASSWORD: password,
  } = settings;
  if (mechanism === undefined && username === undefined && password === undefined) return undefined;
  if (mechanism === undefined || username === undefined || password === undefined)
    return invalid('KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD must be set together');
  return { mechanism: mechanism as NonNullable<KafkaSettings['sasl']>['mechanism'], username, password };
}

/** Throws ConfigError for stores and settings that cannot be combined. */
function refuseIncompatibleSettings({
  eventStoreUrl,
  readStoreUrl,
  secretKeys,
  staticClients,
  replayProtection,
}: Config): void {
  if (eventStoreUrl !== undefined && readStoreUrl === undefined) {
    invalid(
      'EVENT_STORE_URL needs READ_STORE_URL: nodes that share a log must share the secrets, which are in MongoDB',
    );
  }
  if (eventStoreUrl === undefined && readStoreUrl !== undefined) {
    invalid(
      'READ_STORE_URL needs EVENT_STORE_URL: with the log in a SQLite file, other machines would have the secrets and not the log',
    );
  }
  if (eventStoreUrl === undefined) return;
  if (replayProtection)
    invalid(
      'REPLAY_PROTECTION does not go with EVENT_STORE_URL: nodes on several machines do not know of each other what was sent to them',
    );
  if (!secretKeys) invalid('EVENT_STORE_URL needs SECRET_KEYS: all nodes must open the same secrets');
  if (!staticClients)
    invalid(
      'EVENT_STORE_URL needs STATIC_CLIENTS: all nodes must agree on them, and one of them is your way in',
    );
}

/**
 * The settings for the stores at an address: `sqlite:DIRECTORY`, a KurrentDB server (READ_STORE_URL names the server of
 * its read models and secrets), or `env:NAME`, a variable that holds one of these. Throws ConfigError, also for a
 * literal address with a password, which the list of processes would show.
 */
export function readStoreConfig(
  guardedServices: readonly ServiceVariable[],
  address: string,
  env: Record<string, string | undefined> = process.env,
): Config {
  const variable = /^env:(.*)$/.exec(address)?.[1];
  if (variable === undefined && withoutPassword(address) !== address)
    invalid('an address with a password is to be in an environment variable: give env:NAME of it instead');
  const url = variable === undefined ? address : env[variable];
  if (!url)
    return invalid(variable === undefined ? 'an address is empty' : `${variable} is not set, or empty`);
  const directory = /^sqlite:(?:\/\/)?(.+)$/.exec(url)?.[1];
  if (directory === undefined) return readConfig(guardedServices, { ...env, EVENT_STORE_URL: url });
  const own = { DATA_DIR: directory, EVENT_STORE_URL: undefined, READ_STORE_URL: undefined };
  const config = readConfig(guardedServices, { ...env, ...own });
  return { ...config, secretKeys: storeKeys(config) };
}

/**
 * The keys for a data directory: those of its generated key file, and the configured ones, which may belong to another
 * store.
 */
function storeKeys({ dataDir, secretKeys }: Config): SecretKey[] | undefined {
  const file = join(dataDir, KEY_FILE);
  if (!secretKeys || !existsSync(file)) return secretKeys;
  const own = keysInFile(file);
  return [...own, ...secretKeys.filter(({ id }) => own.every((key) => key.id !== id))];
}

/** The settings without secrets. */
export function redactedConfig(
  guardedServices: readonly ServiceVariable[],
  config: Config,
): Record<string, unknown> {
  const { secretKeys, staticClients, allowedCorsOrigin, kafka, ...plain } = config;
  return {
    ...plain,
    eventStoreUrl: withoutPassword(config.eventStoreUrl),
    readStoreUrl: withoutPassword(config.readStoreUrl),
    kafka: kafka && { ...kafka, sasl: kafka.sasl && { ...kafka.sasl, password: '(not shown)' } },
    allowedCorsOrigin: allowedCorsOrigin instanceof RegExp ? String(allowedCorsOrigin) : allowedCorsOrigin,
    serviceSettings: redactedServiceSettings(guardedServices, config.serviceSettings),
    staticClients:
      staticClients?.map(({ clientId }) => `${clientId} (token not shown)`) ?? '(not set: one is generated)',
    secretKeys: secretKeys ? '(set, not shown)' : '(not set: in a generated file)',
  };
}

/** The address of a server without passwords. Options of some drivers contain passwords too. */
function withoutPassword(url: string | undefined): string | undefined {
  return url
    ?.replace(/\/\/.*@/, '//(user and password not shown)@')
    .replace(/([?&][^=&]*(?:password|token|secret|properties)[^=&]*=)[^&]*/gi, '$1(not shown)');
}

/** Whether a service that listens on this host is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** An envalid validator that lets the errors of `read` through. */
function setting<T>(read: (text: string) => T) {
  return makeValidator<T>((text) => read(text));
}

function throwProblems(errors: Partial<Record<string, Error>>, problems: string[]): void {
  const wrongOnes = Object.entries(errors).map(([name, error]) =>
    error instanceof EnvMissingError ? `${name} is not set` : `${name}: ${error!.message}`,
  );
  const lines = [...wrongOnes, ...problems];
  if (lines.length > 0) throw new ConfigError(lines.join('\n'));
}
