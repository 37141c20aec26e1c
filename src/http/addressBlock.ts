import { isIPv6, SocketAddress } from 'node:net';

/**
 * The block of addresses that counts as one caller. For IPv4, also when mapped into IPv6, it is the single address. For
 * IPv6 it is the /64, because a subscriber usually gets a whole /64.
 */
export function addressBlock(address: string): string {
  if (!address.includes(':')) return address;
  const bare = address.split('%', 1)[0]!;
  if (!isIPv6(bare)) return address;
  const canonical = new SocketAddress({ address: bare, family: 'ipv6' }).address;
  const ipv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(canonical)?.[1];
  return ipv4 ?? `${firstGroups(canonical).join(':')}::/64`;
}

/** The first four of the eight groups of an IPv6 address. */
function firstGroups(address: string): string[] {
  const [left, right] = address.split('::') as [string, string?];
  const groups = left === '' ? [] : left.split(':');
  if (right !== undefined) {
    // A trailing IPv4 address stands for two groups.
    const after = right
      .replace(/\d+\.\d+\.\d+\.\d+$/, '0:0')
      .split(':')
      .filter(Boolean);
    groups.push(...Array.from({ length: 8 - groups.length - after.length }, () => '0'), ...after);
  }
  return groups.slice(0, 4);
}
