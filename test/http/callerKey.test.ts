import { describe, expect, test } from '@jest/globals';
import { callerKey } from '../../src/http/callerKey.ts';

describe('a request counts', () => {
  test('for the client whose token signed it, wherever it came from', () => {
    expect(callerKey({ signer: 'ci/linux', sourceIp: '10.0.0.1' })).toBe('client ci/linux');
    expect(callerKey({ signer: 'ci/linux' })).toBe('client ci/linux');
  });

  test('for its address, where nobody is known to have signed it', () => {
    expect(callerKey({ sourceIp: '10.0.0.1' })).toBe('address 10.0.0.1');
    expect(callerKey({})).toBe('address unknown');
  });

  test('for no client that is called as an address is', () => {
    expect(callerKey({ signer: '10.0.0.1' })).not.toBe(callerKey({ sourceIp: '10.0.0.1' }));
  });

  test.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['fe80::1:2:3%eth0', 'fe80:0:0:0::/64'],
    ['1:2:3:4::', '1:2:3:4::/64'],
    ['1:2::3:4:5:6:7', '1:2:0:3::/64'],
    ['64:ff9b::10.0.0.1', '64:ff9b:0:0::/64'],
    ['1:2:3:4:5:6:10.0.0.1', '1:2:3:4::/64'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:a00:1', '10.0.0.1'],
  ])('from %s for %s', (sourceIp, key) => {
    expect(callerKey({ sourceIp })).toBe(`address ${key}`);
  });
});
