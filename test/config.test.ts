import { describe, expect, test } from '@jest/globals';
import { readConfig, redactedConfig } from '../src/config.ts';
import { ConfigError } from '../src/configError.ts';

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
    expect(readConfig({})).toMatchObject({
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
      workers: 1,
    });
  });

  test('are read from the environment', () => {
    const config = readConfig({
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
      WORKERS: '64',
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
      workers: 64,
    });
    expect(config.allowedCorsOrigin).toEqual(/^https:/);
    expect(config.secretKeys!.map(({ id }) => id)).toEqual(['b', 'a']);
    const shown = JSON.stringify(redactedConfig(config));
    expect(shown).not.toContain(client.accessToken);
    expect(shown).not.toContain(Buffer.from('secret').toString('base64').slice(0, 6));
  });

  test('that are empty but set are not the same as unset', () => {
    expect(readConfig({ STATIC_CLIENTS: '[]' }).staticClients).toEqual([]);
    expect(readConfig({ ALLOWED_CORS_ORIGIN: '' }).allowedCorsOrigin).toBe(false);
  });

  test.each([
    ['PORT', '70000', /from 0 to 65535/],
    ['PORT', '', /PORT/],
    ['HOST', 'a b', /host name/],
    ['ROOT_URL', 'ftp://x', /http or https/],
    ['DATA_DIR', '', /directory/],
    ['TRUST_PROXY', 'perhaps', /hops/],
    ['ALLOWED_CORS_ORIGIN', 'example.com', /origins/],
    ['ALLOWED_CORS_ORIGIN', '/(/', /regular expression/],
    ['READ_ACCESS', 'none', /guarded, open/],
    ['LOG_LEVEL', 'loud', /trace/],
    ['MAX_BODY_BYTES', '1MiB', /1024 to 786432/],
    ['MAX_BODY_BYTES', '786433', /1024 to 786432/],
    ['WORKERS', '0', /1 to 64/],
    ['WORKERS', '65', /1 to 64/],
    ['WORKERS', '2.5', /1 to 64/],
    ['WORKERS', '', /1 to 64/],
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
    ['STATIC_CLIENTS', JSON.stringify([{ ...client, expires: 'x' }]), /"expires"/],
    ['STATIC_CLIENTS', JSON.stringify([client, client]), /twice/],
  ])('are refused by name: %s=%s', (name, value, message) => {
    const read = (): unknown => readConfig({ [name]: value });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(name);
    expect(read).toThrow(message);
    expect(read).not.toThrow(/secret-/);
  });

  test('that are wrong are named all at once', () => {
    expect(() => readConfig({ PORT: 'x', LOG_LEVEL: 'x' })).toThrow(/PORT[^]*LOG_LEVEL|LOG_LEVEL[^]*PORT/);
  });
});
