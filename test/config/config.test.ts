import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { PUBLISHED_STATIC_SCOPES } from '../../schemas/publishedStaticScopes.ts';
import { readConfig, readStoreConfig, redactedConfig } from '../../src/config/config.ts';
import { ConfigError } from '../../src/config/configError.ts';
import { guardedServices } from '../../src/services/guardedServices.ts';
import { sharedFile, testWithShared } from '../sharedData.ts';

const key = (id: string, bytes = 32): object => ({
  id,
  key: Buffer.alloc(bytes, 'secret').toString('base64'),
});
const client = {
  clientId: 'static/a',
  accessToken: 'secret-token-0123456789',
  description: '',
  scopes: ['a'],
};

describe('the settings', () => {
  test('have defaults', () => {
    expect(readConfig(guardedServices, {})).toMatchObject({
      port: 8080,
      host: '127.0.0.1',
      rootUrl: undefined,
      dataDir: expect.stringMatching(/^\/.*\/data$/),
      staticClients: undefined,
      secretKeys: undefined,
      trustProxy: false,
      allowedCorsOrigin: '*',
      readAccess: undefined,
      logLevel: 'info',
      maxBodyBytes: 524_288,
      maxExpansionScopes: 400_000,
      maxRoleScopes: 200_000,
      keepAliveTimeout: 90_000,
      diskReserve: 32 * 1024 * 1024,
      rateLimits: {
        requests: { quota: 30_000, seconds: 60 },
        credentials: { quota: 3000, seconds: 60 },
        authenticate: undefined,
      },
      trustedAddresses: [],
      allowedHosts: undefined,
      replayProtection: false,
      maxNoncesPerClient: 10_000,
      requirePayloadHash: false,
      maxBewitLifetime: undefined,
      workers: 1,
      allowShortSecrets: false,
      allowLoosePermissions: false,
      purgeMaxGap: 30 * 24 * 60 * 60_000,
    });
  });

  test('are read from the environment', () => {
    const config = readConfig(guardedServices, {
      PORT: '0',
      HOST: '::1',
      ROOT_URL: 'https://auth.example.com/',
      DATA_DIR: '/x/../y',
      STATIC_CLIENTS: JSON.stringify([client]),
      SECRET_KEYS: JSON.stringify([key('b'), key('a')]),
      TRUST_PROXY: 'loopback, 10.0.0.0/8',
      ALLOWED_CORS_ORIGIN: '/^https:/',
      READ_ACCESS: 'guarded',
      LOG_LEVEL: 'debug',
      MAX_BODY_BYTES: '768KiB',
      MAX_EXPANSION_SCOPES: '50000',
      MAX_ROLE_SCOPES: '9000000',
      KEEP_ALIVE_TIMEOUT: '620s',
      MAX_STALENESS: '2500ms',
      DISK_RESERVE: '16MiB',
      RATE_LIMIT: 'off',
      RATE_LIMIT_AUTHENTICATE: '600/60s',
      TRUSTED_ADDRESSES: '10.0.0.0/8, ::1',
      ALLOWED_HOSTS: 'Auth.Example.com:443, [::1], 2001:DB8::1, 10.0.0.1',
      REPLAY_PROTECTION: 'writes',
      REQUIRE_PAYLOAD_HASH: 'true',
      MAX_BEWIT_LIFETIME: '3600s',
      WORKERS: '64',
      ALLOW_SHORT_SECRETS: 'true',
      ALLOW_LOOSE_PERMISSIONS: 'true',
      PURGE_MAX_GAP: '7d',
      SOMETHING_ELSE: 'ignored',
    });
    expect(config).toMatchObject({
      port: 0,
      host: '::1',
      rootUrl: 'https://auth.example.com',
      dataDir: '/y',
      staticClients: [client],
    });
    expect(config).toMatchObject({
      trustProxy: ['loopback', '10.0.0.0/8'],
      readAccess: 'guarded',
      maxBodyBytes: 786_432,
      maxExpansionScopes: 50_000,
      maxRoleScopes: 9_000_000,
      keepAliveTimeout: 620_000,
      maxStaleness: 2500,
      diskReserve: 16 * 1024 * 1024,
      rateLimits: {
        requests: undefined,
        credentials: { quota: 3000, seconds: 60 },
        authenticate: { quota: 600, seconds: 60 },
      },
      trustedAddresses: ['10.0.0.0/8', '::1'],
      allowedHosts: ['auth.example.com', '::1', '2001:db8::1', '10.0.0.1'],
      replayProtection: true,
      requirePayloadHash: true,
      maxBewitLifetime: 3_600_000,
      workers: 64,
      allowShortSecrets: true,
      allowLoosePermissions: true,
      purgeMaxGap: 7 * 24 * 60 * 60_000,
    });
    expect(config.allowedCorsOrigin).toEqual(/^https:/);
    expect(config.secretKeys!.map(({ id }) => id)).toEqual(['b', 'a']);
    const shown = JSON.stringify(redactedConfig(guardedServices, config));
    expect(shown).not.toContain(client.accessToken);
    expect(shown).not.toContain(Buffer.from('secret').toString('base64').slice(0, 6));
  });

  test('with an empty list of static clients are not the same as without the setting', () => {
    expect(readConfig(guardedServices, { STATIC_CLIENTS: '[]' }).staticClients).toEqual([]);
  });

  test.each([
    ['PORT', '70000', /from 0 to 65535/],
    ['HOST', 'a b', /host name/],
    ['ROOT_URL', 'ftp://x', /http or https/],
    ['TRUST_PROXY', 'perhaps', /hops/],
    ['ALLOWED_CORS_ORIGIN', 'example.com', /origins/],
    ['ALLOWED_CORS_ORIGIN', '/(/', /regular expression/],
    ['READ_ACCESS', 'none', /guarded, open/],
    ['LOG_LEVEL', 'loud', /trace/],
    ['MAX_BODY_BYTES', '1MiB', /1024 to 786432/],
    ['MAX_EXPANSION_SCOPES', '999', /1000 to 10000000/],
    ['MAX_ROLE_SCOPES', 'many', /1000 to 10000000/],
    ['MAX_BODY_BYTES', '786433', /1024 to 786432/],
    ['WORKERS', '0', /1 to 64/],
    ['WORKERS', '65', /1 to 64/],
    ['WORKERS', '2.5', /1 to 64/],
    ['EVENT_STORE_URL', 'http://secret-host', /KurrentDB/],
    ['EVENT_STORE_URL', 'kurrentdb://', /KurrentDB/],
    ['READ_STORE_URL', 'postgres://user:secret-word@host', /MongoDB/],
    ['MAX_STALENESS', '1999ms', /2s to 60s/],
    ['PURGE_MAX_GAP', '999ms', /1s to 36500d/],
    ['ALLOW_SHORT_SECRETS', 'yes', /true, false/],
    ['ALLOW_LOOSE_PERMISSIONS', 'yes', /true, false/],
    ['MAX_STALENESS', '5', /2s to 60s/],
    ['KEEP_ALIVE_TIMEOUT', '999ms', /1s to 7200s/],
    ['MAX_CONNECTIONS', '0', /1 to 999999/],
    ['MAX_CONNECTIONS_PER_ADDRESS', 'few', /1 to 999999/],
    ['MAX_UNFINISHED_BODIES', '1MiB', /2MiB to 4096MiB/],
    ['MAX_UNREAD_REPLIES', '5GiB', /2MiB to 4096MiB/],
    ['HEADERS_TIMEOUT', '0s', /1s to 600s/],
    ['BODY_TIMEOUT', '601s', /1s to 600s/],
    ['REPLY_TIMEOUT', '30', /1s to 600s/],
    ['KEEP_ALIVE_TIMEOUT', '7201s', /1s to 7200s/],
    ['KEEP_ALIVE_TIMEOUT', '90', /1s to 7200s/],
    ['KEEP_ALIVE_TIMEOUT', '0s', /1s to 7200s/],
    ['KEEP_ALIVE_TIMEOUT', '-5s', /1s to 7200s/],
    ['STREAM_PREFIX', 'a b', /1 to 64/],
    ['COLLECTION_PREFIX', '$', /1 to 64/],
    ['KAFKA_BROKERS', 'host', /host:port/],
    ['KAFKA_SSL', 'yes', /true, false/],
    ['KAFKA_SASL_MECHANISM', 'gssapi', /plain/],
    ['DISK_RESERVE', '1024', /0 for none, or from 1MiB to 1024MiB/],
    ['DISK_RESERVE', '2048MiB', /1MiB to 1024MiB/],
    ['RATE_LIMIT', '100', /600\/60s, or off/],
    ['RATE_LIMIT', '0/60s', /600\/60s, or off/],
    ['RATE_LIMIT_CREDENTIALS', '5\/0s', /600\/60s, or off/],
    ['RATE_LIMIT_AUTHENTICATE', '-1/1s', /600\/60s, or off/],
    ['TRUSTED_ADDRESSES', '10.0.0.0/33', /addresses and subnets/],
    ['TRUSTED_ADDRESSES', 'example.com', /addresses and subnets/],
    ['ALLOWED_HOSTS', 'https://auth.example.com', /hosts such as/],
    ['ALLOWED_HOSTS', 'auth.example.com,', /hosts such as/],
    ['REPLAY_PROTECTION', 'true', /writes/],
    ['MAX_NONCES_PER_CLIENT', '99', /100 to 50000/],
    ['REQUIRE_PAYLOAD_HASH', 'yes', /true, false/],
    ['MAX_BEWIT_LIFETIME', '0s', /1s to/],
    ['SECRET_KEYS', 'secret', /JSON/],
    ['SECRET_KEYS', '[]', /at least one/],
    ['SECRET_KEYS', JSON.stringify([key('a'), key('b', 31)]), /\[1\]\.key must be base64 of 32 bytes/],
    ['SECRET_KEYS', JSON.stringify([key('a'), key('a')]), /same id/],
    ['SECRET_KEYS', JSON.stringify([{ ...key('a'), extra: 1 }]), /"extra"/],
    ['STATIC_CLIENTS', '{}', /array/],
    [
      'STATIC_CLIENTS',
      JSON.stringify([{ ...client, clientId: 'a' }]),
      /\[0\] \(a\): clientId must start with static\//,
    ],
    [
      'STATIC_CLIENTS',
      JSON.stringify([{ ...client, clientId: 'static/authledger/purge' }]),
      /this service's own/,
    ],
    ['STATIC_CLIENTS', JSON.stringify([{ ...client, accessToken: 'secret-short' }]), /22 to 66/],
    ['STATIC_CLIENTS', JSON.stringify([{ ...client, scopes: ['a**'] }]), /scopes/],
    ['STATIC_CLIENTS', JSON.stringify([{ ...client, scopes: null }]), /scopes must be an array/],
    [
      'STATIC_CLIENTS',
      JSON.stringify([client, { ...client, clientId: 'static/taskcluster/none', scopes: undefined }]),
      /\[1\] \(static\/taskcluster\/none\): scopes must be given.*built-in-workers, .*static\/taskcluster\/root$/,
    ],
    ['STATIC_CLIENTS', JSON.stringify([{ ...client, expires: 'x' }]), /"expires"/],
    ['STATIC_CLIENTS', JSON.stringify([client, client]), /twice/],
  ])('are refused by name: %s=%s', (name, value, message) => {
    const read = (): unknown => readConfig(guardedServices, { [name]: value });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(name);
    expect(read).toThrow(message);
    expect(read).not.toThrow(/secret-/);
  });

  test('of static clients that Taskcluster publishes need a token only', () => {
    const { accessToken } = client;
    const read = (entry: object) =>
      readConfig(guardedServices, { STATIC_CLIENTS: JSON.stringify([entry]) }).staticClients;
    const clientId = 'static/taskcluster/index';
    const published = ['queue:get-artifact:*', 'queue:get-task:*'];
    const description = 'Internal client';
    expect(read({ clientId, accessToken })).toEqual([
      { clientId, accessToken, description, scopes: published },
    ]);
    expect(read({ clientId, accessToken, description: 'ours' })).toEqual([
      { clientId, accessToken, description: 'ours', scopes: published },
    ]);
    for (const scopes of [[], ['a']])
      expect(read({ clientId, accessToken, scopes })).toEqual([
        { clientId, accessToken, description: '', scopes },
      ]);
  });

  testWithShared(
    'spec/static-scopes.json',
    'of static clients have the scopes that are published with Taskcluster',
    () => {
      const published = JSON.parse(readFileSync(sharedFile('spec/static-scopes.json'), 'utf8')) as {
        clientId: string;
        scopes: string[];
      }[];
      expect(Object.entries(PUBLISHED_STATIC_SCOPES)).toEqual(
        published.map(({ clientId, scopes }) => [clientId, scopes]),
      );
    },
  );

  testWithShared(
    'cases/static-clients-as-deployed.json',
    'take STATIC_CLIENTS as deployments of Taskcluster have it',
    () => {
      const STATIC_CLIENTS = readFileSync(sharedFile('cases/static-clients-as-deployed.json'), 'utf8');
      expect(readConfig(guardedServices, { STATIC_CLIENTS }).staticClients).toMatchObject([
        { clientId: 'static/taskcluster/index', scopes: ['queue:get-artifact:*', 'queue:get-task:*'] },
        { clientId: 'static/taskcluster/root', scopes: ['*'], description: 'Internal client' },
      ]);
    },
  );

  const shared = {
    EVENT_STORE_URL: 'kurrentdb://admin:secret-word@db.example.com:2113?tls=true',
    READ_STORE_URL:
      'mongodb://user:secret-word/@a:27017,b:27017/auth?replicaSet=rs0&tlsCertificateKeyFilePassword=secret-file',
    SECRET_KEYS: JSON.stringify([key('a')]),
    STATIC_CLIENTS: JSON.stringify([client]),
  };
  const kafka = { KAFKA_BROKERS: 'a:9092, b:9093' };

  test.each([
    ['SQLite alone', {}],
    ['SQLite and Kafka', kafka],
    ['KurrentDB and MongoDB', shared],
    ['KurrentDB, MongoDB and Kafka', { ...shared, ...kafka }],
    ['several workers on each of several machines', { ...shared, WORKERS: '2' }],
  ])('allow %s', (_, env) => {
    const config = readConfig(guardedServices, env);
    expect(config.eventStoreUrl).toBe((env as Partial<typeof shared>).EVENT_STORE_URL);
    expect(config.readStoreUrl).toBe((env as Partial<typeof shared>).READ_STORE_URL);
    expect(config.kafka?.brokers).toEqual('KAFKA_BROKERS' in env ? ['a:9092', 'b:9093'] : undefined);
  });

  test.each([
    [
      'nonces that nodes on other machines do not know of',
      { ...shared, REPLAY_PROTECTION: 'writes' },
      /REPLAY_PROTECTION does not go with EVENT_STORE_URL/,
    ],
    [
      'KurrentDB without MongoDB',
      { ...shared, READ_STORE_URL: undefined },
      /EVENT_STORE_URL needs READ_STORE_URL.*secrets/,
    ],
    [
      'MongoDB without KurrentDB',
      { ...shared, EVENT_STORE_URL: undefined },
      /READ_STORE_URL needs EVENT_STORE_URL.*SQLite/,
    ],
    ['shared stores without shared keys', { ...shared, SECRET_KEYS: undefined }, /needs SECRET_KEYS/],
    ['shared stores without a way in', { ...shared, STATIC_CLIENTS: undefined }, /needs STATIC_CLIENTS/],
    ['Kafka’s settings without brokers', { KAFKA_SSL: 'true' }, /KAFKA_SSL needs KAFKA_BROKERS/],
    [
      'a password for Kafka without a user',
      { ...kafka, KAFKA_SASL_PASSWORD: 'secret-word' },
      /must be set together/,
    ],
  ])('refuse %s, and say why', (_, env, message) => {
    const read = (): unknown => readConfig(guardedServices, env);
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(message);
    expect(read).not.toThrow(/secret-/);
  });

  test('of servers are shown without passwords', () => {
    const sasl = {
      KAFKA_SASL_MECHANISM: 'plain',
      KAFKA_SASL_USERNAME: 'kafka',
      KAFKA_SASL_PASSWORD: 'secret-word',
    };
    const config = readConfig(guardedServices, { ...shared, ...kafka, ...sasl });
    expect(config.kafka!.sasl!.password).toBe('secret-word');
    const shown = redactedConfig(guardedServices, config);
    expect(JSON.stringify(shown)).not.toMatch(/secret-/);
    expect(shown).toMatchObject({
      eventStoreUrl: 'kurrentdb://(user and password not shown)@db.example.com:2113?tls=true',
      readStoreUrl: expect.stringMatching(/@a:27017,b:27017\/auth\?replicaSet=rs0&/),
      kafka: { sasl: { username: 'kafka' } },
    });
  });

  test('of the stores at an address are those of a directory, of a server, or what a variable holds', () => {
    expect(readStoreConfig(guardedServices, 'sqlite:/x/y', shared)).toMatchObject({
      dataDir: '/x/y',
      eventStoreUrl: undefined,
    });
    expect(readStoreConfig(guardedServices, 'sqlite:///x', shared)).toMatchObject({
      dataDir: '/x',
      readStoreUrl: undefined,
    });
    const there = readStoreConfig(guardedServices, 'esdb://other:2113', shared);
    expect(there).toMatchObject({ eventStoreUrl: 'esdb://other:2113', readStoreUrl: shared.READ_STORE_URL });
    expect(readStoreConfig(guardedServices, 'env:EVENT_STORE_URL', shared).eventStoreUrl).toBe(
      shared.EVENT_STORE_URL,
    );
    for (const address of [
      shared.EVENT_STORE_URL,
      'esdb://h?userKeyPassword=secret-word',
      'x:y',
      'env:UNSET',
    ])
      expect(() => readStoreConfig(guardedServices, address, shared)).toThrow(ConfigError);
    expect(() => readStoreConfig(guardedServices, shared.EVENT_STORE_URL, shared)).not.toThrow(/secret-/);
  });

  test('that are wrong are named all at once', () => {
    expect(() => readConfig(guardedServices, { PORT: 'x', LOG_LEVEL: 'x' })).toThrow(
      /PORT[^]*LOG_LEVEL|LOG_LEVEL[^]*PORT/,
    );
  });
});

describe('a variable that is set and empty', () => {
  const source = readFileSync(new URL('../../src/config/config.ts', import.meta.url), 'utf8');
  const names = [...source.matchAll(/^ +([A-Z][A-Z_]+): setting\(/gm)].map((match) => match[1]!);
  const ofServices = [...new Set(guardedServices.map(({ variable }) => variable))];
  const refused = [
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
    ...ofServices,
    ...ofServices.map((variable) => `${variable}_FILE`),
  ];
  const unset = names.filter((name) => !refused.includes(name) && name !== 'ALLOWED_CORS_ORIGIN');

  test('is looked at here for every setting there is', () => {
    expect(names).toEqual(expect.arrayContaining(['PORT', 'STATIC_CLIENTS', 'RECORD_CREDENTIALS']));
    expect(names.length).toBeGreaterThan(20);
    expect(ofServices).toHaveLength(8);
  });

  test.each(unset)('counts as unset: %s', (name) => {
    expect(readConfig(guardedServices, { [name]: '' })).toEqual(readConfig(guardedServices, {}));
  });

  test.each(refused)('is refused where that would open or empty something: %s', (name) => {
    const message = `${name} is set and empty: give it a value, or do not set it`;
    expect(() => readConfig(guardedServices, { [name]: '' })).toThrow(new ConfigError(message));
  });

  test('allows no origin where it is ALLOWED_CORS_ORIGIN', () => {
    expect(readConfig(guardedServices, { ALLOWED_CORS_ORIGIN: '' }).allowedCorsOrigin).toBe(false);
  });

  test('is refused together with all else that is wrong', () => {
    const env = { READ_ACCESS: '', SECRET_KEYS: '', STATSUM: '', STATSUM_FILE: '/x', PORT: 'x', HOST: '' };
    expect(() => readConfig(guardedServices, env)).toThrow(
      /^PORT: [^]*READ_ACCESS is set[^]*SECRET_KEYS is set[^]*STATSUM is set/,
    );
  });

  test('of another name is left alone', () => {
    expect(readConfig(guardedServices, { SOMETHING: '', SOMETHING_FILE: '' })).toEqual(
      readConfig(guardedServices, {}),
    );
  });

  test.each(['', undefined])('holds no address of stores: %j', (ADDRESS) => {
    expect(() => readStoreConfig(guardedServices, 'env:ADDRESS', { ADDRESS })).toThrow(
      new ConfigError('ADDRESS is not set, or empty'),
    );
    expect(() => readStoreConfig(guardedServices, '', {})).toThrow(new ConfigError('an address is empty'));
  });

  const anyText = ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'];
  test.each([...names, ...ofServices].filter((name) => !anyText.includes(name)))(
    'is not one of white space, which is refused: %s',
    (name) => {
      expect(() => readConfig(guardedServices, { [name]: ' ' })).toThrow(
        new RegExp(`^${name}(:| is not valid JSON)`),
      );
    },
  );
});
