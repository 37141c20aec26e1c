import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { readConfig, redactedConfig } from '../../src/config/config.ts';
import { ConfigError } from '../../src/config/configError.ts';
import { readServiceSetting } from '../../src/config/serviceSettings.ts';
import { guardedServices } from '../../src/services/guardedServices.ts';

const folder = mkdtempSync(join(tmpdir(), 'authledger-settings-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const secret = 'canary-secret-0123456789-abcdefgh';
const statsum = { secret, baseUrl: 'https://statsum.example.com' };
function file(content: string): string {
  const path = join(folder, 'setting.json');
  writeFileSync(path, content);
  return path;
}

describe('the setting of a guarded service', () => {
  test('is JSON in a variable or in a file, and is not shown', () => {
    const inVariable = readConfig(guardedServices, { STATSUM: JSON.stringify(statsum) });
    const inFile = readConfig(guardedServices, { STATSUM_FILE: file(JSON.stringify(statsum)) });
    for (const config of [inVariable, inFile]) {
      expect(config.serviceSettings).toEqual({ STATSUM: statsum });
      const shown = redactedConfig(guardedServices, config);
      expect(shown['serviceSettings']).toMatchObject({
        STATSUM: '(set, not shown)',
        WEBSOCKTUNNEL: '(not set)',
      });
      expect(JSON.stringify(shown)).not.toContain(secret);
    }
    expect(readConfig(guardedServices, {}).serviceSettings).toEqual({});
  });

  test.each([
    [
      'AWS_S3',
      [{ accessKeyId: 'a', secretAccessKey: 'b', buckets: ['abc'], endpoint: 'http://example.com' }],
    ],
    ['AZURE_ACCOUNTS', { account: { key: 'a'.repeat(40), blobEndpoint: 'http://example.com' } }],
    ['GITHUB_APPS', { app: { appId: 1, privateKey: 'none', apiUrl: 'http://example.com' } }],
    ['GCP', { project: { credentials: {}, serviceAccounts: [], endpoint: 'http://example.com' } }],
  ])('%s names no third party to which secrets would go unencrypted', (variable, setting) => {
    expect(() => readConfig(guardedServices, { [variable]: JSON.stringify(setting) })).toThrow(
      /(endpoint|blobEndpoint|apiUrl) must be an https address without user and query, or an http one on this machine/,
    );
  });

  test.each(['STATSUM', 'WEBHOOKTUNNEL', 'WEBSOCKTUNNEL'])(
    '%s has a secret of at least 32 bytes',
    (variable) => {
      const others = { STATSUM: { baseUrl: 'https://x' }, WEBHOOKTUNNEL: { proxyUrl: 'https://x' } };
      const withSecret = (bytes: number): string =>
        JSON.stringify({ ...others[variable as keyof typeof others], secret: 's'.repeat(bytes) });
      const read =
        (bytes: number, env = {}) =>
        () =>
          readConfig(guardedServices, { [variable]: withSecret(bytes), ...env });
      expect(read(32)).not.toThrow();
      expect(read(31)).toThrow(`${variable}.secret must have at least 32 bytes`);
      const allowed = { ALLOW_SHORT_SECRETS: 'true' };
      expect(read(16, allowed)).not.toThrow();
      expect(read(15, allowed)).toThrow(`${variable}.secret must have at least 32 bytes`);
    },
  );

  test('that two services share is refused once', () => {
    expect(() => readConfig(guardedServices, { AZURE_ACCOUNTS: '{' })).toThrow(
      /^AZURE_ACCOUNTS is not valid JSON$/,
    );
  });

  test.each([
    [{ STATSUM: `{"secret": "${secret}"` }, /^STATSUM is not valid JSON$/],
    [{ STATSUM: JSON.stringify(secret) }, /^STATSUM must be object$/],
    [
      { STATSUM: JSON.stringify({ ...statsum, baseUrl: secret }) },
      /^STATSUM\.baseUrl must match format "uri"$/,
    ],
    [{ STATSUM: JSON.stringify({ secret }) }, /^STATSUM must have required property 'baseUrl'$/],
    [
      { STATSUM: JSON.stringify({ ...statsum, [secret]: 1 }) },
      /^STATSUM has a property that is not known here; known: secret, baseUrl$/,
    ],
    [
      { STATSUM: JSON.stringify({ ...statsum, secret: 'short' }) },
      /^STATSUM\.secret must have at least 32 bytes \(RFC 7518, section 3\.2\), or 16 with ALLOW_SHORT_SECRETS=true/,
    ],
    [{ STATSUM: '{}', STATSUM_FILE: '/x' }, /^STATSUM and STATSUM_FILE are both set: set one of them$/],
    [{ STATSUM_FILE: '/nowhere/at/all' }, /^STATSUM_FILE must name a file that can be read \(ENOENT\)$/],
  ])('is refused by its name, without its value: %#', (env, message) => {
    let thrown: unknown;
    try {
      readConfig(guardedServices, env as Record<string, string>);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ConfigError);
    expect((thrown as Error).message).toMatch(message);
    expect((thrown as Error).message).not.toContain(secret);
  });

  test('is refused with the place of what is wrong, also where an administrator chose the names', () => {
    const key = { type: 'string', pattern: '^[a-z]+$' };
    const settingSchema = {
      type: 'array',
      items: { type: 'object', properties: { keys: { type: 'object', additionalProperties: key } } },
    };
    const text = JSON.stringify([{ keys: { [secret]: 'a', '50%/~': secret } }]);
    expect(() => readServiceSetting('X', { text, settingSchema })).toThrow(
      new ConfigError('X[0].keys{entry 2} must match pattern "^[a-z]+$"'),
    );
  });

  test('is refused together with all others that are wrong', () => {
    expect(() => readConfig(guardedServices, { PORT: 'x', STATSUM: '{', WEBSOCKTUNNEL: '[]' })).toThrow(
      /PORT: must [^]*STATSUM is [^]*WEBSOCKTUNNEL must/,
    );
  });
});
