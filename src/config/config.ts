import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cleanEnv, EnvMissingError, makeValidator } from 'envalid';
import type { RateLimits } from './rateLimits.ts';
import { ConfigError, invalid } from './configError.ts';
import { ROLE_LIMITS } from '../domain/roleTotals.ts';
import { MAX_EXPANSION_SCOPES } from '../domain/workBudget.ts';
import { withoutEmpty } from './emptyVariables.ts';
import { readSecretKeys, readStaticClients, type StaticClient, type SecretKey } from './jsonSettings.ts';
import { KEY_FILE, keysInFile } from './keyFile.ts';
import { withFiles } from './settingFiles.ts';
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
  readMemory,
  readNonces,
  readPatience,
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
  /** `published` is what undefined means, said explicitly. */
  readAccess: 'published' | 'guarded' | 'open' | undefined;
  logLevel: string;
  maxBodyBytes: number;
  /** How many scopes one expansion may produce. */
  maxExpansionScopes: number;
  /** How many scopes all roles may have together, with those that their parameters make. */
  maxRoleScopes: number;
  /** For how long (ms) a connection stays open on which nothing happens. */
  keepAliveTimeout: number;
  /** How many connections a process takes, of all and of each address. */
  maxConnections: number;
  maxConnectionsPerAddress: number | undefined;
  /** How many bytes a process keeps of bodies that are not whole, and of replies that are not taken. */
  maxUnfinishedBodies: number;
  maxUnreadReplies: number;
  /** How long (ms) a header and a body may take to arrive, and a reply may be without progress. */
  headersTimeout: number;
  bodyTimeout: number;
  replyTimeout: number;
  /** How many bytes of the disk are kept for taking rights away while it is full; 0: none. */
  diskReserve: number;
  rateLimits: RateLimits;
  /** Whose unsigned requests are not counted. */
  trustedAddresses: string[];
  /** The hosts that signed requests may be sent to, in lower case and without brackets; undefined: any. */
  allowedHosts: string[] | undefined;
  /** Whether nonces of signed PUT, POST and DELETE requests are remembered. */
  replayProtection: boolean;
  maxNoncesPerClient: number;
  /** Whether a signed change needs a hash of its body. */
  requirePayloadHash: boolean;
  /** How far ahead (ms) the end of a bewit may lie; undefined: as far as it likes. */
  maxBewitLifetime: number | undefined;
  /** How many processes serve together. */
  workers: number;
  /** Where the log is, and the read models and secrets; both undefined: in SQLite files in the data directory. */
  eventStoreUrl: string | undefined;
  readStoreUrl: string | undefined;
  /** What the names of streams on a shared server begin with. */
  streamPrefix: string;
  /** What the names of collections on a shared server begin with. */
  collectionPrefix: string;
  /** For how long (ms) a node may answer after it last proved that it has everything that is in a shared log. */
  maxStaleness: number;
  /** Where every change is published; undefined: nowhere. */
  kafka: KafkaSettings | undefined;
  /** What the guarded services that are configured work with. */
  serviceSettings: ServiceSettings;
  /** Whether it is recorded which credentials of guarded services were given to whom. */
  recordCredentials: boolean;
  /** Whether guarded services take secrets that are too short for what they sign. */
  allowShortSecrets: boolean;
  /** Whether files and a data directory are taken that others may write, or secrets that others may read. */
  allowLoosePermissions: boolean;
  /** How far (ms) the clock may be ahead of the newest event for clients to be purged without being told to. */
  purgeMaxGap: number;
}>;

export type KafkaSettings = Readonly<{
  brokers: string[];
  ssl: boolean;
  sasl:
    | { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string }
    | undefined;
  /** What the names of topics begin with. */
  topicPrefix: string;
}>;

/** What names of streams, collections and topics begin with where nothing else is set. */
export const DEFAULT_PREFIX = 'authledger.';
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/**
 * Reads all settings, those of guarded services among them; one that is empty counts as unset, but for those that emptyVariables.ts names. Throws ConfigError naming every
 * one that is wrong. Variables of other names are not looked at.
 */
export function readConfig(
  guardedServices: readonly ServiceVariable[],
  env: Record<string, string | undefined> = process.env,
): Config {
  const { given: set, problems } = withoutEmpty(guardedServices, env);
  const files = withFiles(set, ['STATIC_CLIENTS', 'SECRET_KEYS']);
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
      MAX_UNFINISHED_BODIES: setting(readMemory)({ default: 64 * 1024 * 1024 }),
      MAX_UNREAD_REPLIES: setting(readMemory)({ default: 64 * 1024 * 1024 }),
      HEADERS_TIMEOUT: setting(readPatience)({ default: 20_000 }),
      BODY_TIMEOUT: setting(readPatience)({ default: 60_000 }),
      REPLY_TIMEOUT: setting(readPatience)({ default: 30_000 }),
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
      KAFKA_SASL_MECHANISM: setting(oneOf('plain', 'scram-sha-256', 'scram-sha-512'))({ default: undefined }),
      KAFKA_SASL_USERNAME: setting(String)({ default: undefined }),
      KAFKA_SASL_PASSWORD: setting(String)({ default: undefined }),
      KAFKA_TOPIC_PREFIX: setting(readPrefix)({ default: DEFAULT_PREFIX }),
      RECORD_CREDENTIALS: setting(readBoolean)({ default: true }),
      ALLOW_SHORT_SECRETS: setting(readBoolean)({ default: false }),
      ALLOW_LOOSE_PERMISSIONS: setting(readBoolean)({ default: false }),
      PURGE_MAX_GAP: setting(readPurgeGap)({ default: 30 * 24 * 60 * 60_000 }),
    },
    { reporter: ({ errors }) => refuse(errors, [...problems, ...files.problems, ...services.problems]) },
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
  refuseWhatDoesNotFit(config);
  return config;
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

/** Throws ConfigError for stores that do not go together. */
function refuseWhatDoesNotFit({
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
 * The settings of the stores at an address: `sqlite:DIRECTORY`, a KurrentDB server (READ_STORE_URL says where its read models
 * and secrets are), or `env:NAME` of a variable that holds one of these. Throws ConfigError, also for an address with a
 * password in it that would stand in the list of processes.
 */
export function readConfigOfStores(
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
  return { ...config, secretKeys: keysOf(config) };
}

/** Tokens in a directory are sealed under its generated keys, or under those of the settings, which may be meant for another store. */
function keysOf({ dataDir, secretKeys }: Config): SecretKey[] | undefined {
  const file = join(dataDir, KEY_FILE);
  if (!secretKeys || !existsSync(file)) return secretKeys;
  const own = keysInFile(file);
  return [...own, ...secretKeys.filter(({ id }) => own.every((key) => key.id !== id))];
}

/** The settings as anybody may see them. */
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

/** The address of a server, as it may be shown: options of some drivers hold passwords too. */
function withoutPassword(url: string | undefined): string | undefined {
  return url
    ?.replace(/\/\/.*@/, '//(user and password not shown)@')
    .replace(/([?&][^=&]*(?:password|token|secret|properties)[^=&]*=)[^&]*/gi, '$1(not shown)');
}

/** Whether only this machine can reach a service that listens there. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** A validator of envalid's that throws what it is given to throw. */
function setting<T>(read: (text: string) => T) {
  return makeValidator<T>((text) => read(text));
}

function refuse(errors: Partial<Record<string, Error>>, problems: string[]): void {
  const wrongOnes = Object.entries(errors).map(([name, error]) =>
    error instanceof EnvMissingError ? `${name} is not set` : `${name}: ${error!.message}`,
  );
  const lines = [...wrongOnes, ...problems];
  if (lines.length > 0) throw new ConfigError(lines.join('\n'));
}
