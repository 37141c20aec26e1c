import type { IncomingMessage } from 'node:http';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { requestOrigin, makeTrustProxy } from '../../src/http/requestOrigin.ts';

const PROXY = '10.0.0.1';

/** Where a request with these headers came from, through the nearest proxy. */
function origin(setting: boolean | number | string[], headers: Record<string, string>, remote = PROXY) {
  const request = { headers: { host: 'inside:8080', ...headers }, socket: { remoteAddress: remote } };
  return requestOrigin(request as unknown as IncomingMessage, makeTrustProxy(setting));
}

const forwarded = {
  'x-forwarded-for': '203.0.113.9, 198.51.100.7, 10.0.0.2',
  'x-forwarded-host': 'evil.example, auth.example.com, inner.example:81',
  'x-forwarded-port': '1, 8443, 81',
  'x-forwarded-proto': 'https, https, http',
};

test('nothing that is forwarded is believed where nobody is trusted', () => {
  const own = { sourceIp: PROXY, host: 'inside', port: 8080 };
  expect(origin(false, forwarded)).toEqual(own);
  expect(origin(['192.0.2.0/24'], forwarded)).toEqual(own);
});

test('behind k trusted proxies, the kth value from the right counts in every field', () => {
  expect(origin(1, forwarded)).toEqual({ sourceIp: '10.0.0.2', host: 'inner.example', port: 81 });
  expect(origin(2, forwarded)).toEqual({ sourceIp: '198.51.100.7', host: 'auth.example.com', port: 8443 });
  expect(origin(['10.0.0.0/8'], forwarded)).toEqual(origin(2, forwarded));
  expect(origin(true, forwarded)).toEqual({ sourceIp: '203.0.113.9', host: 'evil.example', port: 1 });
  const { 'x-forwarded-proto': proto } = forwarded;
  expect(origin(1, { 'x-forwarded-proto': proto }).port).toBe(8080);
  expect(origin(2, { 'x-forwarded-proto': proto }).port).toBe(443);
});

test('a field that fewer proxies wrote is taken from the outermost that did', () => {
  const { 'x-forwarded-for': chain } = forwarded;
  const fields = {
    'x-forwarded-for': chain,
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'one.example',
  };
  expect(origin(2, fields)).toEqual({ sourceIp: '198.51.100.7', host: 'one.example', port: 443 });
  expect(origin(2, {})).toEqual({ sourceIp: PROXY, host: 'inside', port: 8080 });
});

test('a host that cannot be one fits no signature', () => {
  expect(origin(1, { 'x-forwarded-host': 'a b' }).host).toBe('');
  expect(origin(1, { 'x-forwarded-host': '[::1]:444' })).toMatchObject({ host: '::1', port: 444 });
});

test('a source is an address, without the port that some proxies write, or nothing', () => {
  const sourceOf = (value: string): unknown => origin(1, { 'x-forwarded-for': value }).sourceIp;
  expect(sourceOf('192.0.2.1')).toBe('192.0.2.1');
  expect(sourceOf('192.0.2.1:4711')).toBe('192.0.2.1');
  expect(sourceOf('2001:db8::1')).toBe('2001:db8::1');
  expect(sourceOf('[2001:db8::1]:4711')).toBe('2001:db8::1');
  for (const value of [
    'unknown',
    '<script>',
    '192.0.2.256',
    `fe80::1%${'a'.repeat(99)}`,
    '[192.0.2.1',
    '::1:x',
  ])
    expect({ value, source: sourceOf(value) }).toEqual({ value, source: undefined });
});

test('whatever a caller puts in front changes nothing of what the proxies wrote', () => {
  const value = fc.stringMatching(/^[ -~]{0,20}$/);
  fc.assert(
    fc.property(value, value, value, value, (source, host, port, proto) => {
      const given = {
        'x-forwarded-for': `${source}, ${forwarded['x-forwarded-for']}`,
        'x-forwarded-host': `${host}, ${forwarded['x-forwarded-host']}`,
        'x-forwarded-port': `${port}, ${forwarded['x-forwarded-port']}`,
        'x-forwarded-proto': `${proto}, ${forwarded['x-forwarded-proto']}`,
      };
      for (const setting of [1, 2, ['10.0.0.0/8']])
        expect(origin(setting, given)).toEqual(origin(setting, forwarded));
    }),
  );
});
