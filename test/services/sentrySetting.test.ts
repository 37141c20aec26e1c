import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readServiceSetting } from '../../src/config/serviceSettings.ts';
import { sentry } from '../../src/services/sentry.ts';
import { keyExpiry, keyName } from '../../src/services/sentryApi.ts';

const PREFIX = 'authledger';
const setting = {
  organization: 'acme',
  baseUrl: 'https://sentry.io',
  authToken: 'canary-token-of-sentry-0123456789',
  initialTeam: 'first-team',
  keyPrefix: PREFIX,
};

describe('the setting of Sentry', () => {
  const read = (changes: object) => {
    const text = JSON.stringify({ ...setting, ...changes });
    return readServiceSetting('SENTRY', { text, settingSchema: sentry.settingSchema });
  };

  test.each([
    'https://sentry.io',
    'https://sentry.example.com:9000/behind/',
    'http://127.0.0.1:9000',
    'http://localhost',
    'http://[::1]:80/',
    'https://[2001:db8::1]',
  ])('takes %s', (baseUrl) => {
    expect(read({ baseUrl })).toMatchObject({ baseUrl });
  });

  test.each([
    'http://sentry.example.com',
    'http://127.0.0.1@example.com',
    'http://localhost.example.com',
    'http://127.0.0.1:80@example.com/',
    'https://user:canary@sentry.io',
    'https://sentry.io/?x',
    'sentry.io',
  ])('does not take %s', (baseUrl) => {
    expect(() => read({ baseUrl })).toThrow(
      /^SENTRY\.baseUrl must be an https address without user and query, or an http one on this machine$/,
    );
  });

  test('is given as a whole, with a prefix that leaves room for the rest of a name', () => {
    for (const name of Object.keys(setting))
      expect(() => read({ [name]: undefined })).toThrow(`SENTRY must have required property '${name}'`);
    expect(() => read({ keyPrefix: 'a'.repeat(19) })).toThrow(/^SENTRY\.keyPrefix must match/);
    expect(() => read({ authToken: 'canary of\nlines' })).toThrow(
      /^SENTRY\.authToken must match ((?!canary)[^])*$/,
    );
  });
});

describe('the name of a key at Sentry', () => {
  const prefixes = fc.stringMatching(/^[A-Za-z0-9._-]{1,18}$/);
  const dates = fc.date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });

  test('tells when the key ends, to those of the same prefix, and is not too long for Sentry', () => {
    fc.assert(
      fc.property(prefixes, prefixes, dates, (prefix, other, expires) => {
        const name = keyName(prefix, expires);
        expect(name.length).toBeLessThanOrEqual(64);
        expect(keyExpiry(prefix, name)).toEqual(expires);
        if (other !== prefix) expect(keyExpiry(other, name)).toBeUndefined();
      }),
    );
  });

  test('is only one that was made', () => {
    const edits = fc.tuple(fc.nat(60), fc.nat(2), fc.constantFrom('', ' ', '0', '+', 'Z', ')', 'managed'));
    fc.assert(
      fc.property(prefixes, dates, edits, (prefix, expires, [at, cut, put]) => {
        const name = keyName(prefix, expires);
        const edited = name.slice(0, at) + put + name.slice(at + cut);
        const end = keyExpiry(prefix, edited);
        expect(end === undefined || keyName(prefix, end) === edited).toBe(true);
      }),
    );
    for (const value of [undefined, null, 7, {}, '']) expect(keyExpiry(PREFIX, value)).toBeUndefined();
  });
});
